"""More or less colour, as filters of social networks do."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance

from filigrane.core.values import Pixels


class Saturation:
    """Distances from grey times 1 + strength."""

    name = "saturation"
    unit = "relative change"
    strengths = (0.5,)
    bounds = (-1.0, 4.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """As image editors do, clipped to 0-255."""
        return np.array(ImageEnhance.Color(Image.fromarray(pixels)).enhance(1 + strength))


def build() -> Saturation:
    """The attack, without options."""
    return Saturation()
