"""JPEG, the one thing that happens to nearly every picture."""

from __future__ import annotations

import numpy as np

from filigrane.core.values import Pixels
from filigrane.perturb.base import recode


class Jpeg:
    """JPEG at a given quality."""

    name = "jpeg"
    unit = "quality (1-100)"
    strengths = (90.0, 75.0, 50.0, 30.0)
    bounds = (1.0, 100.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """Written and read once, with 4:2:0 chroma as the encoder does by default."""
        return recode(pixels, "JPEG", round(strength))


def build() -> Jpeg:
    """The attack, without options."""
    return Jpeg()
