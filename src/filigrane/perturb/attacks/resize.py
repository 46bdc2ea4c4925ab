"""Resizing that is left as it is, as for thumbnails and previews."""

from __future__ import annotations

import numpy as np

from filigrane.core.values import Pixels
from filigrane.perturb.base import scaled


class Resize:
    """The picture at another size."""

    name = "resize"
    unit = "factor per side"
    strengths = (2.0, 0.75, 0.5)
    bounds = (0.05, 4.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """Lanczos to the new size."""
        return scaled(pixels, strength)


def build() -> Resize:
    """The attack, without options."""
    return Resize()
