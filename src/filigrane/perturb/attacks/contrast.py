"""More or less contrast, the second slider of every editor."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance

from filigrane.core.values import Pixels


class Contrast:
    """Distances from the mean grey times 1 + strength."""

    name = "contrast"
    unit = "relative change"
    strengths = (0.3, -0.3)
    bounds = (-1.0, 4.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """As image editors do, clipped to 0-255."""
        return np.array(ImageEnhance.Contrast(Image.fromarray(pixels)).enhance(1 + strength))


def build() -> Contrast:
    """The attack, without options."""
    return Contrast()
