"""How pictures reach a detector: resized, cut and recoded; both classes the same way, in training and in measuring.

The chain is what keeps a model from learning the file format: after it, size, container, quality and metadata say
nothing of the class any more (Dual Data Alignment, NeurIPS 2025, names the effect of leaving it out).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from filigrane.core.values import Pixels
from filigrane.perturb.base import recode, scaled

CROP_PX = 192
"""Largest side of the crops a model sees, in pixels; smaller pictures are seen whole, nothing is enlarged to it."""

_SCALES = (0.4, 1.5)
_QUALITIES = (30, 98)
_FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
_SMALLEST_PX = 48


def windowed(pixels: Pixels, size_px: int, *, across: float = 0.5, down: float = 0.5) -> Pixels:
    """The window of at most ``size_px`` a side; ``across`` and ``down`` (0-1) say where it lies."""
    height, width = (min(side, size_px) for side in pixels.shape[:2])
    top, left = round((pixels.shape[0] - height) * down), round((pixels.shape[1] - width) * across)
    return pixels[top : top + height, left : left + width]


def delivered(pixels: Pixels, rng: np.random.Generator, *, size_px: int = CROP_PX) -> Pixels:
    """A random journey: resize by 0.4 to 1.5 (half of the time), crop, up to two JPEG, WebP or PNG rounds, flip.

    uint8 (H, W, 3) in and out, at most ``size_px`` a side; ``rng`` draws everything.
    """
    if rng.random() < 0.5:
        pixels = _resampled(pixels, float(np.exp(rng.uniform(*np.log(_SCALES)))), rng)
    pixels = windowed(pixels, size_px, across=rng.random(), down=rng.random())
    for _ in range(rng.choice(3, p=(0.3, 0.45, 0.25))):
        pixels = _recoded(pixels, rng)
    return pixels[:, ::-1].copy() if rng.random() < 0.5 else pixels.copy()


def _resampled(pixels: Pixels, factor: float, rng: np.random.Generator) -> Pixels:
    factor = max(factor, _SMALLEST_PX / min(pixels.shape[:2]))
    size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
    return np.array(Image.fromarray(pixels).resize(size, _FILTERS[rng.integers(len(_FILTERS))]))


def _recoded(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    codec, quality = rng.choice(("JPEG", "WEBP", "PNG"), p=(0.65, 0.25, 0.1)), int(rng.integers(*_QUALITIES))
    if codec == "PNG":
        return pixels
    if codec == "WEBP" or rng.random() < 0.7:
        return recode(pixels, str(codec), quality)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    return np.array(Image.open(buffer).convert("RGB"))


def _limited(pixels: Pixels, side_px: int, long_side_px: int) -> Pixels:
    factor = min(1.0, side_px / long_side_px)
    factor = max(factor, min(1.0, 2 * _SMALLEST_PX / min(pixels.shape[:2])))
    return scaled(pixels, factor) if factor < 1 else pixels


def clean(pixels: Pixels, long_side_px: int) -> Pixels:
    """The picture as it is."""
    return pixels


def web(pixels: Pixels, long_side_px: int) -> Pixels:
    """As after an upload: the long side brought to 768 px, then JPEG 60.

    ``long_side_px`` is that of the whole picture, of which ``pixels`` may be a crop; no crop is scaled below 96 px.
    """
    return recode(_limited(pixels, 768, long_side_px), "JPEG", 60)


def hard(pixels: Pixels, long_side_px: int) -> Pixels:
    """As after being handed on twice: the long side brought to 512 px, then JPEG 40; see `web`."""
    return recode(_limited(pixels, 512, long_side_px), "JPEG", 40)


DELIVERIES: Mapping[str, Callable[[Pixels, int], Pixels]] = MappingProxyType({"clean": clean, "web": web, "hard": hard})
"""The fixed deliveries that figures are reported for."""


def deliveries(pixels: Pixels, long_side_px: int = 0) -> Iterator[tuple[str, Pixels]]:
    """A picture, or a crop of one whose long side is ``long_side_px``, under each fixed delivery, by name."""
    for name, deliver in DELIVERIES.items():
        yield name, deliver(pixels, long_side_px or max(pixels.shape[:2]))
