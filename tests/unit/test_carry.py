"""Metadata follow the pixels, and what would be wrong of the new file is put right."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from filigrane.core.image import encode
from filigrane.provenance import containers, xmp
from filigrane.provenance.carry import carry, upright
from filigrane.provenance.xmp import Property

ORIENTATION, MAKE = 274, 271


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[ORIENTATION], block[MAKE] = orientation, "Maker"
    return block.tobytes().removeprefix(b"Exif\0\0")


def photo(scene: NDArray[np.uint8], format: str, packet: bytes = b"") -> bytes:
    """The scene as a file with an EXIF block that says it lies on its side, and XMP that says so too."""
    data = containers.with_exif(encode(scene, format), format, exif(6))
    properties = [Property(xmp.TIFF, "Orientation", "6"), Property(xmp.DC, "creator", "Ada")]
    return containers.with_xmp(data, format, packet or xmp.with_properties(None, properties))


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_metadata_come_along_and_the_orientation_is_reset(scene: NDArray[np.uint8], format: str) -> None:
    carried = carry(photo(scene, format), encode(scene, format), format)
    found = containers.read(carried, format)
    assert found.exif is not None and found.xmp is not None
    block = Image.Exif()
    block.load(b"Exif\0\0" + found.exif)
    assert (block[ORIENTATION], block[MAKE]) == (1, "Maker")
    properties = xmp.parse(found.xmp)
    assert xmp.values(properties, xmp.TIFF, "Orientation") == ("1",)
    assert xmp.values(properties, xmp.DC, "creator") == ("Ada",)
    with Image.open(io.BytesIO(carried)) as image:
        assert image.size == (scene.shape[1], scene.shape[0])


def test_text_chunks_of_a_png_come_along(scene: NDArray[np.uint8]) -> None:
    info, out = PngImagePlugin.PngInfo(), io.BytesIO()
    info.add_text("parameters", "a red apple, Steps: 20")
    info.add_itxt("Title", "Größe", zip=True)
    Image.fromarray(scene).save(out, "PNG", pnginfo=info)
    found = containers.read(carry(out.getvalue(), encode(scene, "png"), "png"), "png")
    assert {entry.keyword: entry.text for entry in found.texts} == {
        "parameters": "a red apple, Steps: 20",
        "Title": "Größe",
    }


@pytest.mark.parametrize("format", ["gif", "tiff", "bmp"])
def test_a_file_without_metadata_comes_back_as_it_is(scene: NDArray[np.uint8], format: str) -> None:
    data = encode(scene, format)
    assert carry(data, data, format) == data


@pytest.mark.parametrize("packet", [b"<not xml", b"<?xml version='1.0'?><!DOCTYPE a><a/>"])
def test_damaged_xmp_is_left_behind(scene: NDArray[np.uint8], packet: bytes) -> None:
    carried = carry(photo(scene, "png", packet), encode(scene, "png"), "png")
    assert containers.read(carried, "png").xmp is None


def test_the_old_preview_is_cut_loose() -> None:
    block = bytearray(exif(6))
    order = ">" if block[:2] == b"MM" else "<"
    start = struct.unpack_from(order + "I", block, 4)[0]
    link = start + 2 + 12 * struct.unpack_from(order + "H", block, start)[0]
    struct.pack_into(order + "I", block, link, 8)
    assert upright(bytes(block))[link : link + 4] == bytes(4)


@pytest.mark.parametrize("size", range(0, 40, 3))
def test_exif_that_is_cut_off_comes_back_as_it_is_or_upright(size: int) -> None:
    cut = exif(6)[:size]
    assert len(upright(cut)) == size
    assert upright(b"\xff" * size) == b"\xff" * size
