"""Lossy WebP, as content networks and messengers recode."""

from __future__ import annotations

import numpy as np

from filigrane.core.values import Pixels
from filigrane.perturb.base import recode


class WebP:
    """Lossy WebP at a given quality."""

    name = "webp"
    unit = "quality (1-100)"
    strengths = (75.0,)
    bounds = (1.0, 100.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """Written and read once."""
        return recode(pixels, "WEBP", round(strength))


def build() -> WebP:
    """The attack, without options."""
    return WebP()
