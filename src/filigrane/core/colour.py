"""From whatever a file stores (palette, CMYK, 16 bits, floats, a colour profile) to upright 8-bit sRGB and alpha."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from filigrane.core.values import Pixels

_ORIENTATION_TAG = 274
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SAME_AS_SRGB = 2
"""Levels of 255 by which a profile may differ from sRGB and still count as sRGB: the rounding of two conversions."""


def upright(image: Image.Image, notes: list[str]) -> Image.Image:
    """``image`` turned as its EXIF orientation says (CIPA DC-008, tag 274); a broken EXIF block becomes a note."""
    try:
        method = _UPRIGHT.get(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception as error:  # the EXIF parser raises whatever the broken bytes provoke
        notes.append(f"The EXIF block could not be read ({type(error).__name__}), so no rotation was applied.")
        return image
    return image.transpose(method) if method is not None else image


def srgb(image: Image.Image, notes: list[str]) -> tuple[Pixels, Pixels | None]:
    """Pixels (H, W, 3) in sRGB and the alpha plane (H, W) or None, both uint8, of a loaded picture of any mode.

    Colours under transparent pixels are kept as they are; nothing is composited.
    """
    profile = image.info.get("icc_profile")
    image = _eight_bit(image, notes)
    alpha: Pixels | None = None
    if image.has_transparency_data:
        grey = image.mode == "LA"
        image = image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"))
        image = image.getchannel("R") if grey else image.convert("RGB")
    elif image.mode in ("P", "1", "YCbCr", "HSV", "RGBX"):
        image = image.convert("RGB")
    image = _apply_profile(image, profile, notes)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB")), alpha


def _eight_bit(image: Image.Image, notes: list[str]) -> Image.Image:
    """``image`` itself, or as 8-bit grey where its samples are wider: 16 bits by their full range."""
    if image.mode.startswith("I;16"):
        scale = np.rint(np.arange(65536) / 257).astype(np.uint8)
        return Image.fromarray(scale[np.asarray(image)])
    if image.mode in ("I", "F"):
        return Image.fromarray(_scaled(np.asarray(image), notes))
    return image


def _scaled(values: NDArray[np.generic], notes: list[str]) -> Pixels:
    """Integers or floats without a stated range as uint8: by the usual range they fit in, else by their own."""
    numbers = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    usual = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (255.0, 65535.0)
    top = next((top for top in usual if low >= 0 and high <= top), None)
    if top is None:
        notes.append(f"The samples from {low:g} to {high:g} were stretched to 0 to 255.")
        numbers, top = numbers - low, high - low
    scaled: Pixels = np.rint(numbers * (255.0 / top)).astype(np.uint8)
    return scaled


def _apply_profile(image: Image.Image, profile: object, notes: list[str]) -> Image.Image:
    """``image`` as sRGB by its ICC profile; LAB by its definition; a profile that does not fit becomes a note."""
    if image.mode == "LAB":
        return _applied(image, _lab_transform())
    if not isinstance(profile, bytes) or not profile:
        return image
    if image.mode == "L" and profile[16:20] == b"RGB ":
        image = image.convert("RGB")
    try:
        transform = _transform(profile, image.mode)
        return image if transform is None else _applied(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        notes.append(f"The colour profile could not be used ({type(error).__name__}), so sRGB was assumed.")
        return image


def _applied(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:
        raise ValueError("the colour transform gave no picture")
    return converted


def _lab_transform() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from ``profile`` to sRGB, or None where it leaves a grid of colours as it is.

    The effect is measured, not the profile's name, so that a profile cannot hide colours by calling itself sRGB.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    if mode != "RGB":
        return transform
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    moved = np.asarray(_applied(Image.fromarray(grid), transform))
    return None if np.abs(moved.astype(int) - grid).max() <= _SAME_AS_SRGB else transform
