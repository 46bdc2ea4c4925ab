"""Black and white."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance

from filigrane.core.values import Pixels


class Greyscale:
    """The picture without its colour."""

    name = "greyscale"
    unit = "share of the colour taken away"
    strengths = (1.0,)
    bounds = (0.0, 1.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """Luma (Rec. 601) in all three channels, mixed with the colour that stays."""
        return np.array(ImageEnhance.Color(Image.fromarray(pixels)).enhance(1 - strength))


def build() -> Greyscale:
    """The attack, without options."""
    return Greyscale()
