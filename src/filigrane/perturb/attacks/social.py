"""Upload to a social network: the long side limited, then JPEG 70."""

from __future__ import annotations

import numpy as np

from filigrane.core.values import Pixels
from filigrane.perturb.base import recode, scaled


class Social:
    """The picture as a social network hands it on."""

    name = "social"
    unit = "long side in pixels at most"
    strengths = (1080.0,)
    bounds = (16.0, 16384.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """Scaled down where larger, then JPEG 70."""
        factor = min(1.0, strength / max(pixels.shape[:2]))
        return recode(scaled(pixels, factor) if factor < 1 else pixels, "JPEG", 70)


def build() -> Social:
    """The attack, without options."""
    return Social()
