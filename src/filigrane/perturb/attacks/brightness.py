"""Brighter or darker, the first slider of every editor."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance

from filigrane.core.values import Pixels


class Brightness:
    """All values times 1 + strength."""

    name = "brightness"
    unit = "relative change"
    strengths = (0.3, -0.3)
    bounds = (-1.0, 4.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """As image editors do, clipped to 0-255."""
        return np.array(ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(1 + strength))


def build() -> Brightness:
    """The attack, without options."""
    return Brightness()
