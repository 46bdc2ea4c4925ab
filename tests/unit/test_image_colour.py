"""Whatever a file stores arrives as upright 8-bit sRGB with alpha apart."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from filigrane.core.image import decode
from filigrane.core.values import Pixels

RAMP = np.linspace(0, 65535, 64 * 48).reshape(48, 64)
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a),
    7: lambda a: np.rot90(a.swapaxes(0, 1), 2),
    8: lambda a: np.rot90(a, -1),
}
"""How an upright picture is stored under each EXIF orientation (CIPA DC-008)."""


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **options)
    return out.getvalue()


def distance(pixels: Pixels, expected: NDArray[Any]) -> float:
    assert pixels.shape == expected.shape
    return float(np.abs(pixels.astype(float) - expected).mean())


def png(kind: int, depth: int, rows: NDArray[Any]) -> bytes:
    """A PNG of colour type ``kind`` with big-endian samples."""
    height, width = rows.shape[:2]
    lines = b"".join(b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    out = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")):
        out += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return out


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_orientation_comes_out_upright_once(scene: Pixels, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](scene)))
    picture = decode(saved(stored, name, exif=exif))
    assert distance(picture.pixels, scene) < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_comes_out_upright_once(scene: Pixels, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stored = pillow_heif.from_pillow(Image.fromarray(np.ascontiguousarray(STORED[orientation](scene))))
    out = io.BytesIO()
    stored.save(out, quality=90, exif=exif.tobytes())
    assert distance(decode(out.getvalue()).pixels, scene) < 8


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.rint(RAMP).astype(np.uint16)
    expected = np.repeat((RAMP / 257)[..., None], 3, axis=2)
    files = {
        "grey png": png(0, 16, ramp),
        "colour png": png(2, 16, np.repeat(ramp[..., None], 3, axis=2)),
        "grey tiff": saved(Image.fromarray(ramp), "TIFF"),
        "big-endian tiff": saved(Image.frombytes("I;16B", (64, 48), ramp.astype(">u2").tobytes()), "TIFF"),
    }
    for kind, data in files.items():
        assert distance(decode(data).pixels, expected) < 0.6, kind


def test_sixteen_bit_alpha_is_scaled() -> None:
    ramp = np.rint(RAMP).astype(np.uint16)
    picture = decode(png(4, 16, np.stack([ramp[::-1], ramp], axis=-1)))
    assert picture.alpha is not None
    assert distance(picture.alpha, RAMP / 257) < 0.6
    assert distance(picture.pixels[..., 1], RAMP[::-1] / 257) < 0.6


@pytest.mark.parametrize(("low", "high", "noted"), [(0.0, 1.0, False), (0.0, 255.0, False), (-3.0, 9.0, True)])
def test_float_samples_fill_the_range(low: float, high: float, noted: bool) -> None:
    share = RAMP / 65535
    picture = decode(saved(Image.fromarray((low + share * (high - low)).astype(np.float32)), "TIFF"))
    assert distance(picture.pixels[..., 0], share * 255) < 0.6
    assert bool(picture.notes) == noted


def test_float_samples_that_are_no_numbers_are_black() -> None:
    values = np.array([[np.nan, np.inf, 0.5, 1.0]], np.float32)
    assert decode(saved(Image.fromarray(values), "TIFF")).pixels[0, :, 0].tolist() == [0, 0, 128, 255]


def test_deep_heic_is_scaled(scene: Pixels) -> None:
    deep = scene.astype(np.uint16) << 8
    out = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (320, 240), deep.tobytes()).save(out, quality=95)
    assert distance(decode(out.getvalue()).pixels, scene) < 5


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_cmyk_keeps_its_colours(scene: Pixels, name: str) -> None:
    cmyk = Image.fromarray(scene).convert("CMYK")
    assert distance(decode(saved(cmyk, name)).pixels, scene) < 8


def test_lab_keeps_its_colours(scene: Pixels) -> None:
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = ImageCms.applyTransform(Image.fromarray(scene), to_lab)
    assert lab is not None
    assert distance(decode(saved(lab, "TIFF")).pixels, scene) < 8


@pytest.mark.parametrize("mode", ["1", "L", "P"])
@pytest.mark.parametrize("name", ["PNG", "GIF", "TIFF", "BMP"])
def test_few_colours_arrive_as_rgb(scene: Pixels, mode: str, name: str) -> None:
    image = Image.fromarray(scene).convert(mode)
    picture = decode(saved(image, name))
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))
    assert picture.alpha is None


@pytest.mark.parametrize(("mode", "name"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "TIFF"), ("RGBA", "WEBP")])
def test_alpha_is_kept_apart_and_nothing_is_composited(scene: Pixels, mode: str, name: str) -> None:
    image = Image.fromarray(scene).convert(mode)
    alpha = np.tile(np.arange(0, 256, dtype=np.uint8), (240, 2))[:, :320]
    image.putalpha(Image.fromarray(alpha))
    options = {"lossless": True, "exact": True} if name == "WEBP" else {}
    picture = decode(saved(image, name, **options))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, alpha)
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))


def test_a_transparent_palette_entry_becomes_alpha(scene: Pixels) -> None:
    image = Image.fromarray(scene).quantize(16)
    picture = decode(saved(image, "PNG", transparency=3))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, np.asarray(image) == 3)


def swapped_profile() -> bytes:
    """A profile that still calls itself sRGB but has red and green the other way round."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"?XYZ", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"?XYZ", b"gXYZ", 1)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_colours_follow_the_profile_not_its_name(scene: Pixels, name: str) -> None:
    options = {"lossless": True} if name == "WEBP" else {}
    picture = decode(saved(Image.fromarray(scene), name, icc_profile=swapped_profile(), **options))
    assert distance(picture.pixels, scene[..., [1, 0, 2]]) < 8


def test_an_srgb_profile_leaves_every_bit(scene: Pixels) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for image in (Image.fromarray(scene), Image.fromarray(scene).convert("L")):
        picture = decode(saved(image, "PNG", icc_profile=profile))
        assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))
        assert picture.notes == ()


@pytest.mark.parametrize("profile", [b"no profile", swapped_profile()[:200]])
def test_a_broken_profile_is_noted(scene: Pixels, profile: bytes) -> None:
    picture = decode(saved(Image.fromarray(scene), "PNG", icc_profile=profile))
    assert np.array_equal(picture.pixels, scene)
    assert any("profile" in note for note in picture.notes)
