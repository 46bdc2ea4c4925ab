"""Writing XMP and EXIF: the packet reads back, pixels and all else stay, and writing twice is writing once."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from filigrane.core.errors import LimitExceeded, UnreadableInput, UnsupportedFormat
from filigrane.core.image import encode
from filigrane.provenance import containers
from filigrane.provenance.containers import Container

PACKET = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">ni\xc3\xb1a</x:xmpmeta>'
PILLOW = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "gif": "GIF", "tiff": "TIFF", "avif": "AVIF", "heic": "HEIF"}
VARIANTS: list[tuple[str, str, dict[str, Any]]] = [
    ("png", "RGB", {}),
    ("png", "RGBA", {}),
    ("jpeg", "RGB", {}),
    ("jpeg", "L", {"progressive": True}),
    ("webp", "RGB", {}),
    ("webp", "RGBA", {"lossless": True}),
    ("gif", "P", {"comment": b"hello"}),
    ("tiff", "RGB", {"compression": "tiff_lzw"}),
    ("tiff", "RGB", {"big_tiff": True}),
    ("avif", "RGBA", {}),
    ("heic", "RGB", {}),
]


@pytest.fixture(autouse=True)
def heif() -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif")
    pillow_heif.register_heif_opener()


@pytest.fixture
def picture() -> Image.Image:
    y, x = np.mgrid[0:24, 0:33]
    return Image.fromarray(np.stack([x * 7, y * 9, x + y], axis=-1).astype(np.uint8))


def saved(picture: Image.Image, format: str, mode: str, options: dict[str, Any]) -> bytes:
    """A file with everything its format takes: EXIF, a colour profile, texts."""
    exif = picture.getexif()
    exif[0x010F], exif[0x013B] = "Acme", "Ada"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if format == "png":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("parameters", "a duck", zip=True)
        options = {"pnginfo": texts, **options}
    if format != "gif":
        options = {"exif": exif, "icc_profile": profile, **options}
    file = io.BytesIO()
    picture.convert(mode).save(file, PILLOW[format], **options)
    return file.getvalue()


def frames(data: bytes) -> list[NDArray[np.uint8]]:
    with Image.open(io.BytesIO(data)) as image:
        found = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            found.append(np.asarray(image.convert("RGBA")))
        return found


def profile(data: bytes) -> bytes | None:
    with Image.open(io.BytesIO(data)) as image:
        return image.info.get("icc_profile")


def rest(data: bytes, format: str) -> Container:
    """All that is not XMP; a TIFF is its own EXIF block, which grows with the file."""
    found = containers.read(data, format)
    return replace(found, xmp_packets=(), exif=None if format == "tiff" else found.exif)


@pytest.mark.parametrize(("format", "mode", "options"), VARIANTS)
def test_the_packet_reads_back_and_nothing_else_changes(
    picture: Image.Image, format: str, mode: str, options: dict[str, Any]
) -> None:
    data = saved(picture, format, mode, options)
    before, shown, colours = rest(data, format), frames(data), profile(data)
    for packet in (PACKET, PACKET * 40, b"<x/>", PACKET + b" "):
        data = containers.with_xmp(data, format, packet)
        assert containers.read(data, format).xmp_packets == (packet,)
        assert rest(data, format) == before
        assert all(np.array_equal(was, now) for was, now in zip(shown, frames(data), strict=True))
    assert profile(data) == colours


@pytest.mark.parametrize(("format", "mode", "options"), VARIANTS)
def test_writing_twice_is_writing_once(picture: Image.Image, format: str, mode: str, options: dict[str, Any]) -> None:
    once = containers.with_xmp(saved(picture, format, mode, options), format, PACKET)
    assert containers.with_xmp(once, format, PACKET) == once


@pytest.mark.parametrize("format", ["gif", "webp", "avif", "png", "tiff"])
def test_every_frame_of_an_animation_stays(picture: Image.Image, format: str) -> None:
    file = io.BytesIO()
    others = [picture.rotate(90 * turn) for turn in (1, 2)]
    picture.save(file, PILLOW[format], save_all=True, append_images=others, duration=100)
    data = containers.with_xmp(file.getvalue(), format, PACKET)
    shown = frames(data)
    assert len(shown) == 3
    assert all(np.array_equal(was, now) for was, now in zip(frames(file.getvalue()), shown, strict=True))


@pytest.mark.parametrize("format", ["webp", "avif", "jpeg", "heic"])
def test_other_readers_find_the_packet(picture: Image.Image, format: str) -> None:
    data = containers.with_xmp(saved(picture, format, "RGB", {}), format, PACKET)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["xmp"] == PACKET


@pytest.mark.parametrize("format", ["webp", "avif", "heic", "jpeg"])
def test_a_packet_by_another_writer_is_replaced(picture: Image.Image, format: str) -> None:
    data = saved(picture, format, "RGB", {"xmp": b"<x:xmpmeta>old</x:xmpmeta>"})
    assert containers.read(data, format).xmp == b"<x:xmpmeta>old</x:xmpmeta>"
    assert containers.read(containers.with_xmp(data, format, PACKET), format).xmp_packets == (PACKET,)


@pytest.mark.parametrize("format", [name for name in PILLOW if name != "tiff"])
def test_trailing_bytes_stay(picture: Image.Image, format: str) -> None:
    data = saved(picture, format, "RGB", {}) + b"#!/bin/sh"
    assert containers.with_xmp(data, format, PACKET).endswith(b"#!/bin/sh")


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_exif_is_replaced_and_the_rest_stays(picture: Image.Image, format: str) -> None:
    data = containers.with_xmp(saved(picture, format, "RGB", {}), format, PACKET)
    block = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    written = containers.with_exif(data, format, block)
    assert containers.read(written, format) == replace(containers.read(data, format), exif=block)
    assert np.array_equal(frames(written)[0], frames(data)[0])


def test_a_plain_webp_gets_a_header_that_tells_of_alpha(picture: Image.Image) -> None:
    for mode, flags in (("RGB", 0x04), ("RGBA", 0x14)):
        file = io.BytesIO()
        image = picture.convert(mode)
        if mode == "RGBA":
            image.putalpha(100)
        image.save(file, "WEBP", lossless=True)
        assert file.getvalue()[12:16] == b"VP8L"
        data = containers.with_xmp(file.getvalue(), "webp", PACKET)
        assert (data[12:16], data[20]) == (b"VP8X", flags)


def test_an_old_gif_becomes_one_that_may_have_extensions(picture: Image.Image) -> None:
    data = encode(np.asarray(picture), "gif")
    assert data.startswith(b"GIF87a")
    assert containers.with_xmp(data, "gif", PACKET).startswith(b"GIF89a")


def test_extended_xmp_stays_while_the_packet_names_it(picture: Image.Image) -> None:
    digest = b"0123456789ABCDEF0123456789ABCDEF"
    content = b"http://ns.adobe.com/xmp/extension/\0" + digest + b"\0\0\0\x06\0\0\0\0<ext/>"
    jpeg = saved(picture, "jpeg", "RGB", {})
    data = jpeg[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + jpeg[2:]
    naming = b'<x xmpNote:HasExtendedXMP="' + digest + b'"/>'
    assert containers.read(containers.with_xmp(data, "jpeg", naming), "jpeg").xmp_packets == (naming, b"<ext/>")
    assert containers.read(containers.with_xmp(data, "jpeg", PACKET), "jpeg").xmp_packets == (PACKET,)


def test_what_cannot_be_written_is_said(picture: Image.Image) -> None:
    pixels = np.asarray(picture)
    with pytest.raises(UnsupportedFormat, match="convert to one of png"):
        containers.with_xmp(encode(pixels, "bmp"), "bmp", PACKET)
    with pytest.raises(UnsupportedFormat, match="EXIF"):
        containers.with_exif(encode(pixels, "gif"), "gif", b"II")
    with pytest.raises(LimitExceeded, match="JPEG segment"):
        containers.with_xmp(encode(pixels, "jpeg"), "jpeg", b" " * 70_000)
    with pytest.raises(UnreadableInput, match="UTF-8"):
        containers.with_xmp(encode(pixels, "gif"), "gif", PACKET.decode().encode("utf-16"))


@pytest.mark.parametrize("format", [*PILLOW])
def test_a_file_that_is_none_is_refused(format: str) -> None:
    with pytest.raises(UnreadableInput):
        containers.with_xmp(b"no picture at all", format, PACKET)
