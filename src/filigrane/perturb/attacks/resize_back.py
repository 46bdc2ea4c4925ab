"""Resizing there and back: the size is the old one, the detail is not."""

from __future__ import annotations

import numpy as np

from filigrane.core.values import Pixels
from filigrane.perturb.base import resized, scaled


class ResizeBack:
    """Resized, and resized back to the old size."""

    name = "resize_back"
    unit = "factor per side"
    strengths = (2.0, 0.75, 0.5)
    bounds = (0.05, 4.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """Lanczos both ways."""
        return resized(scaled(pixels, strength), pixels.shape[1], pixels.shape[0])


def build() -> ResizeBack:
    """The attack, without options."""
    return ResizeBack()
