"""Damaged, oversized and many-framed files: a right picture or one clear sentence."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from filigrane.core.errors import LimitExceeded, UnreadableInput
from filigrane.core.image import MEDIA_TYPES, Limits, decode, encode
from filigrane.core.values import Pixels, sha256_hex

ANIMATED = ("gif", "png", "webp", "avif", "tiff")


def chunk(name: bytes, body: bytes, *, spoil: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ spoil)


def png_with(scene: Pixels, *chunks: bytes) -> bytes:
    data = encode(scene, "png")
    return data[:33] + b"".join(chunks) + data[33:]


def animation(scene: Pixels, name: str, frames: int) -> bytes:
    images = [Image.fromarray(np.roll(scene, 20 * shift, axis=1)) for shift in range(frames)]
    out = io.BytesIO()
    images[0].save(out, name.upper(), save_all=True, append_images=images[1:])
    return out.getvalue()


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_a_picture_carries_its_bytes_and_cannot_be_changed(scene: Pixels, name: str) -> None:
    data = encode(scene, name)
    picture = decode(data, origin="somewhere")
    assert (picture.data, picture.sha256, picture.format) == (data, sha256_hex(data), name)
    assert (picture.origin, picture.frames, picture.alpha) == ("somewhere", 1, None)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape == scene.shape
    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[0, 0, 0] = 1


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("name", MEDIA_TYPES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_short_gives_a_sentence(scene: Pixels, name: str, share: float) -> None:
    data = encode(scene, name)
    with pytest.raises(UnreadableInput) as caught:
        decode(data[: int(len(data) * share)])
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_bytes_after_the_end_change_nothing(scene: Pixels, name: str) -> None:
    data = encode(scene, name)
    longer = decode(data + b"PK\x03\x04 a second file in the first")
    assert np.array_equal(longer.pixels, decode(data).pixels)
    assert longer.notes == ()


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_too_many_pixels_are_refused(scene: Pixels, name: str) -> None:
    data = encode(scene, name)
    with pytest.raises(LimitExceeded, match="320 x 240"):
        decode(data, limits=Limits(max_pixels=320 * 240 - 1))
    assert decode(data, limits=Limits(max_pixels=320 * 240)).width_px == 320


def test_a_bomb_is_refused_by_its_header_alone() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    with pytest.raises(LimitExceeded, match="60000 x 60000"):
        decode(bomb)
    canvas = b"VP8X" + struct.pack("<II", 10, 0) + (16_382).to_bytes(3, "little") * 2
    with pytest.raises(LimitExceeded, match="16383 x 16383"):
        decode(b"RIFF" + struct.pack("<I", len(canvas) + 4) + b"WEBP" + canvas + b"\0" * 64)


@pytest.mark.parametrize("name", ANIMATED)
def test_frames_are_counted_and_the_first_is_shown(scene: Pixels, name: str) -> None:
    picture = decode(animation(scene, name, 3))
    assert picture.frames == 3
    assert np.abs(picture.pixels.astype(float) - scene).mean() < 12


@pytest.mark.parametrize("name", ANIMATED)
def test_frames_and_their_pixels_are_limited(scene: Pixels, name: str) -> None:
    data = animation(scene, name, 3)
    with pytest.raises(LimitExceeded, match="max_total_pixels"):
        decode(data, limits=Limits(max_total_pixels=3 * 320 * 240 - 1))
    with pytest.raises(LimitExceeded, match="3 frames"):
        decode(data, limits=Limits(max_frames=2))


def test_a_tiff_whose_pages_go_in_a_circle_ends(scene: Pixels) -> None:
    data = bytearray(encode(scene, "tiff"))
    start = int.from_bytes(data[4:8], "little")
    link = start + 2 + 12 * int.from_bytes(data[start : start + 2], "little")
    data[link : link + 4] = data[4:8]
    assert decode(bytes(data)).frames == 1


def test_damaged_side_information_of_a_png_is_passed_over(scene: Pixels) -> None:
    damaged = png_with(scene, chunk(b"tEXt", b"parameters\0a cat", spoil=1))
    picture = decode(damaged)
    assert np.array_equal(picture.pixels, scene)
    assert any("tEXt" in note for note in picture.notes)
    assert picture.data == damaged


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_a_text_or_profile_bomb_does_not_hide_the_picture(scene: Pixels, name: bytes) -> None:
    picture = decode(png_with(scene, chunk(name, b"key\0\0" + zlib.compress(bytes(8 << 20)))))
    assert np.array_equal(picture.pixels, scene)
    assert len(picture.notes) == 1


def test_a_png_that_misses_what_makes_it_a_picture_is_refused(scene: Pixels) -> None:
    data = encode(scene, "png")
    with pytest.raises(UnreadableInput):
        decode(data[:8] + data[33:])
    with pytest.raises(UnreadableInput):
        decode(data[:29] + b"\0\0\0\0" + data[33:])


def test_a_picture_without_pixels_is_refused() -> None:
    data = bytearray(encode(np.zeros((4, 4, 3), np.uint8), "gif"))
    data[6:10] = bytes(4)
    at = data.index(b",", 13)
    data[at + 5 : at + 9] = bytes(4)
    with pytest.raises(UnreadableInput):
        decode(bytes(data))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize(("block", "noted"), [(b"Exif\0\0II*\0\xff\xff\xff\xff", False), (b"Exif\0\0no header", True)])
def test_a_broken_exif_block_does_no_harm(scene: Pixels, block: bytes, noted: bool) -> None:
    out = io.BytesIO()
    Image.fromarray(scene).save(out, "WEBP", lossless=True, exif=block)
    picture = decode(out.getvalue())
    assert np.array_equal(picture.pixels, scene)
    assert bool(picture.notes) == noted
