"""A repost: cropped a little, scaled down, saved as JPEG once more."""

from __future__ import annotations

import numpy as np

from filigrane.core.values import Pixels
from filigrane.perturb.base import cropped, recode, scaled


class Repost:
    """Crop, scale and JPEG in a row."""

    name = "repost"
    unit = "JPEG quality (1-100)"
    strengths = (60.0,)
    bounds = (1.0, 100.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """The middle 90 % of each side, times 0.7, then JPEG."""
        return recode(scaled(cropped(pixels, 0.9), 0.7), "JPEG", round(strength))


def build() -> Repost:
    """The attack, without options."""
    return Repost()
