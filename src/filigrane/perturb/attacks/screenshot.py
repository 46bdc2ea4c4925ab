"""A screenshot: shown smaller, captured, saved as JPEG 75."""

from __future__ import annotations

import numpy as np

from filigrane.core.values import Pixels
from filigrane.perturb.base import recode, scaled


class Screenshot:
    """The picture as shown on a screen and saved again."""

    name = "screenshot"
    unit = "factor per side"
    strengths = (0.8,)
    bounds = (0.05, 4.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """Scaled, then JPEG 75."""
        return recode(scaled(pixels, strength), "JPEG", 75)


def build() -> Screenshot:
    """The attack, without options."""
    return Screenshot()
