"""Rotation: a straightened horizon, or a picture turned on its side."""

from __future__ import annotations

import numpy as np
from PIL import Image

from filigrane.core.values import Pixels


class Rotate:
    """The picture turned about its centre."""

    name = "rotate"
    unit = "degrees anticlockwise"
    strengths = (2.0, 5.0, 90.0)
    bounds = (-360.0, 360.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """Quarter turns exactly; other angles about the centre, bicubic, on the same canvas with black corners."""
        quarters, rest = divmod(strength, 90)
        if rest == 0:
            return np.ascontiguousarray(np.rot90(pixels, int(quarters)))
        return np.array(Image.fromarray(pixels).rotate(strength, Image.Resampling.BICUBIC))


def build() -> Rotate:
    """The attack, without options."""
    return Rotate()
