"""Reading containers: what each format carries is found, whatever the order, the damage or the size."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from filigrane.core.errors import FiligraneError, UnsupportedFormat
from filigrane.core.image import encode
from filigrane.provenance import containers
from filigrane.provenance.containers.base import MAX_BLOCK_BYTES
from filigrane.provenance.containers.trailing import classify

FORMATS = ("png", "jpeg", "webp", "gif", "tiff", "avif", "heic", "bmp")


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    y, x = np.mgrid[0:24, 0:32]
    return np.stack([x * 7, y * 9, x + y], axis=-1).astype(np.uint8)


def chunk(kind: bytes, content: bytes, *, good: bool = True) -> bytes:
    checksum = zlib.crc32(kind + content) ^ (0 if good else 1)
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", checksum)


def png(*before: bytes, after: tuple[bytes, ...] = ()) -> bytes:
    """A 1 x 1 grey PNG with chunks before and after its pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0\0"))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(before) + body + b"".join(after) + chunk(b"IEND", b"")


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def test_png_texts_are_read_before_and_after_the_pixels() -> None:
    data = png(
        chunk(b"tEXt", b"Author\0Ad\xe9"),
        chunk(b"zTXt", b"prompt\0\0" + zlib.compress(b"a duck")),
        after=(chunk(b"iTXt", b"Title\0\x01\0en\0\0" + zlib.compress("é".encode())),),
    )
    found = [(entry.keyword, entry.text, entry.where) for entry in containers.read(data, "png").texts]
    assert found == [("Author", "Adé", "PNG tEXt"), ("prompt", "a duck", "PNG zTXt"), ("Title", "é", "PNG iTXt")]


def test_a_png_text_with_a_wrong_checksum_is_read_and_noted() -> None:
    found = containers.read(png(chunk(b"tEXt", b"a\0b", good=False)), "png")
    assert [entry.text for entry in found.texts] == ["b"]
    assert "checksum" in found.problems[0]


def test_inflating_stops_at_the_limit() -> None:
    bomb = zlib.compress(bytes(MAX_BLOCK_BYTES + 1))
    found = containers.read(png(*[chunk(b"zTXt", b"bomb\0\0" + bomb)] * 50, chunk(b"tEXt", b"a\0b")), "png")
    # Failed attempts use up what may be kept, so that fifty bombs cost no more than three.
    assert found.texts == ()
    assert "inflated" in found.problems[0]


def test_imagemagick_profiles_in_png_are_unwrapped() -> None:
    block = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    text = b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 20\n" + (b"Exif\0\0" + block).hex().encode())
    assert containers.read(png(chunk(b"zTXt", text)), "png").exif == block


def test_jpeg_blocks_are_read(pixels: NDArray[np.uint8]) -> None:
    extension = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32
    data = with_segments(
        encode(pixels, "jpeg"),
        segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0"),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<main/>"),
        segment(0xE1, extension + struct.pack(">II", 8, 4) + b"ond>"),
        segment(0xE1, extension + struct.pack(">II", 8, 0) + b"<sec"),
        segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x07\x1c\x02\x69\0\x02Hi\0"),
        segment(0xEB, b"JP\0\0\0\0\0\x01\0\0\0\x10jumb"),
        segment(0xFE, b"a comment"),
        segment(0xE5, b'\0AIGC{"Label":"1"}'),
    )
    found = containers.read(data, "jpeg")
    assert found.exif == b"II*\0\x08\0\0\0\0\0"
    assert found.xmp_packets == (b"<main/>", b"<second>")
    assert found.iptc == b"\x1c\x02\x69\0\x02Hi"
    assert found.has_c2pa
    assert [(entry.keyword, entry.text) for entry in found.texts] == [
        ("comment", "a comment"),
        ("AIGC", '{"Label":"1"}'),
    ]
    assert found.problems == () and found.trailing is None


def test_gif_comments_and_the_c2pa_block_are_read(pixels: NDArray[np.uint8]) -> None:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "GIF", comment=b"x" * 300)
    data = file.getvalue()
    at = data.index(b"\x21\xfe")
    found = containers.read(data[:at] + b"\x21\xff\x0bC2PA_GIF\x01\0\0\x01x\0" + data[at:], "gif")
    assert [entry.text for entry in found.texts] == ["x" * 300]
    assert found.has_c2pa


@pytest.mark.parametrize(
    ("tail", "kind", "expected"),
    [
        (bytes(100), "padding", True),
        (b"\xff\xd8\xff\xe0rest", "a JPEG picture", False),
        (b"PK\x03\x04rest", "a zip archive", False),
        (b"noise" + b"PK\x05\x06" + bytes(18), "a zip archive", False),
        (b"\n<?php system(1); ?>", "a script", False),
        (b"#!/bin/sh\nls", "a script", False),
        (b"\0\0\0\x18ftypmp42" + bytes(12), "the video of a motion photo", True),
        (b"\0\0\x30\x0aname" + b"SEFH" + bytes(8) + b"\x0c\0\0\0SEFT", "a Samsung trailer", True),
        (b"anything else", "unknown bytes", False),
    ],
)
def test_trailing_bytes_are_named(pixels: NDArray[np.uint8], tail: bytes, kind: str, expected: bool) -> None:
    trailing = containers.read(encode(pixels, "jpeg") + tail, "jpeg").trailing
    assert trailing is not None
    assert (trailing.size_bytes, trailing.kind, trailing.expected) == (len(tail), kind, expected)


def test_the_pictures_of_a_multi_picture_file_are_expected(pixels: NDArray[np.uint8]) -> None:
    jpeg = encode(pixels, "jpeg")
    found = containers.read(with_segments(jpeg, segment(0xE2, b"MPF\0II*\0")) + jpeg, "jpeg")
    assert found.trailing is not None and found.trailing.expected
    assert classify(jpeg + jpeg, len(jpeg)) is not None


def test_samsung_editor_records_are_read(pixels: NDArray[np.uint8]) -> None:
    name, text = b"PhotoEditor_Re_Edit_Data", b'{"genAIType":1}'
    block = struct.pack("<HHI", 0, 0x0BA1, len(name)) + name + text
    directory = b"SEFH" + struct.pack("<II", 106, 1) + struct.pack("<HHII", 0, 0x0BA1, len(block), len(block))
    tail = block + directory + struct.pack("<I", len(directory)) + b"SEFT"
    found = containers.read(encode(pixels, "jpeg") + tail, "jpeg")
    assert [(entry.keyword, entry.text) for entry in found.texts] == [(name.decode(), text.decode())]


@pytest.mark.parametrize("format", FORMATS)
def test_a_clean_file_has_nothing_to_say(pixels: NDArray[np.uint8], format: str) -> None:
    found = containers.read(encode(pixels, format), format)
    assert (found.texts, found.xmp, found.has_c2pa, found.trailing, found.problems) == ((), None, False, None, ())


@pytest.mark.parametrize("format", FORMATS)
def test_bytes_after_the_end_are_counted(pixels: NDArray[np.uint8], format: str) -> None:
    found = containers.read(encode(pixels, format) + b"#!/bin/sh", format)
    assert format == "tiff" or (found.trailing is not None and found.trailing.size_bytes == 9)


@pytest.mark.parametrize("format", FORMATS)
def test_damage_never_raises(pixels: NDArray[np.uint8], format: str, rng: np.random.Generator) -> None:
    data = encode(pixels, format)
    if format != "bmp":
        data = containers.with_xmp(data, format, b"<x:xmpmeta/>")
    for _ in range(60):
        broken = bytearray(data[: rng.integers(0, len(data) + 1)])
        for place in rng.integers(0, max(len(broken), 1), 4):
            broken[place : place + 1] = bytes([rng.choice([0, 1, 255, int(rng.integers(256))])])
        containers.read(bytes(broken), format)
        try:
            written = containers.with_xmp(bytes(broken), format, b"<new/>")
        except FiligraneError as error:
            assert str(error).endswith(".")
        else:
            assert containers.read(written, format).xmp == b"<new/>"


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UnsupportedFormat, match="known are"):
        containers.read(b"", "tga")


def test_texts_over_the_limit_are_not_even_inflated() -> None:
    packed = chunk(b"zTXt", b"x\0\0" + zlib.compress(b"a" * 1000))
    found = containers.read(png(*[packed] * 1001), "png")
    assert len(found.texts) == 1000
    assert found.problems == ("A PNG zTXt chunk cannot be inflated within the limit.",)
