"""Where in a picture the detector sees its signs: a map of crop scores, and that map laid over the picture.

One number of the map stands for one crop, so nothing can be placed more finely than half a crop; the smooth look of
the overlay is drawing. The map shows what the detector reacts to, not what a person would see.
"""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from filigrane.core.image import encode
from filigrane.core.values import Pixels
from filigrane.detector.calibrate import Calibration
from filigrane.detector.condition import detail
from filigrane.detector.judge import grid
from filigrane.detector.models import Detector

MOST_CROPS = 64
CROP_PX = 128
_LONGEST_PX = 1024
_STRONG_NATS = 3.0
_STRONGEST_ALPHA = 0.6 * 255
_AI, _NOT = (214, 51, 32), (33, 102, 172)


@dataclass(frozen=True, slots=True)
class HeatMap:
    """``llr`` float64 (rows, columns) in nats; ``centres_px`` are (x, y) of the crops; each is ``crop_px`` wide."""

    llr: NDArray[np.float64]
    centres_px: tuple[tuple[int, int], ...]
    crop_px: int

    @property
    def peak_px(self) -> tuple[int, int]:
        """Centre (x, y) in pixels of the crop that speaks most for AI."""
        return self.centres_px[int(np.argmax(self.llr))]


def heat_map(detector: Detector, pixels: Pixels, calibration: Calibration) -> HeatMap:
    """The map of a picture, uint8 (H, W, 3): crops of 128 px that overlap by half, at most 64 of them."""
    found = grid(pixels.shape[1], pixels.shape[0], size_px=CROP_PX, most=MOST_CROPS, overlap=0.5)
    scores = detector.llr(found.crops(pixels)).reshape(len(found.tops_px), len(found.lefts_px))
    centres = tuple(
        (left + found.width_px // 2, top + found.height_px // 2) for top in found.tops_px for left in found.lefts_px
    )
    left = detail(pixels)
    llr = np.vectorize(lambda score: calibration.llr(calibration.standard(score, left)))(scores)
    return HeatMap(np.asarray(llr, np.float64), centres, max(found.width_px, found.height_px))


def layer(llr: NDArray[np.floating[Any]], size_px: tuple[int, int]) -> Image.Image:
    """Nats (rows, columns) as an RGBA picture of that width and height: red towards AI, else blue, full at 3 nats."""
    nats = Image.fromarray(llr.astype(np.float32)).resize(size_px, Image.Resampling.BILINEAR)
    strength = np.clip(np.asarray(nats) / _STRONG_NATS, -1, 1)[..., None]
    planes = np.concatenate([np.where(strength > 0, _AI, _NOT), np.abs(strength) * _STRONGEST_ALPHA], axis=-1)
    return Image.fromarray(planes.astype(np.uint8), "RGBA")


def overlay(pixels: Pixels, found: HeatMap) -> bytes:
    """A PNG of the picture, at most 1024 px a side, with the map as a `layer` over it."""
    image = _small(pixels)
    over = layer(found.llr, image.size)
    image.paste(over, mask=over)
    return encode(np.asarray(image), "png")


def page(pixels: Pixels, found: HeatMap, name: str) -> str:
    """A self-contained HTML page: the picture, the map laid over it, and what can and can't be read from it."""
    x, y = found.peak_px
    peak, lowest = float(found.llr.max()), float(found.llr.min())
    shown = (
        base64.b64encode(data).decode() for data in (encode(np.asarray(_small(pixels)), "png"), overlay(pixels, found))
    )
    figures = "".join(
        f'<figure><img src="data:image/png;base64,{data}" alt="{alt}"><figcaption>{alt}</figcaption></figure>'
        for data, alt in zip(shown, ("The picture", "Where the detector sees signs"), strict=True)
    )
    title = html.escape(name)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Heat map of {title}</title>'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "figure{display:inline-block;max-width:48%;margin:0 .5%}img{max-width:100%}</style>"
        f"<h1>Heat map of {title}</h1>{figures}"
        f"<p>Red speaks for AI, blue against it; the colours are full at {_STRONG_NATS:g} nats. The strongest sign is "
        f"{peak:+.1f} nats around the point {x}, {y} px, the weakest {lowest:+.1f} nats.</p>"
        f"<p>The map has {found.llr.shape[1]} × {found.llr.shape[0]} numbers, each for a crop of {found.crop_px} px: "
        f"nothing can be placed more finely than about {found.crop_px // 2} px. It shows what the detector reacts to. "
        "A red spot by itself is no evidence: single crops are judged less surely than whole pictures.</p></html>"
    )


def _small(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(pixels)
    image.thumbnail((_LONGEST_PX, _LONGEST_PX), Image.Resampling.LANCZOS)
    return image
