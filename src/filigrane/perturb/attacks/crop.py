"""Cropping about the centre."""

from __future__ import annotations

import numpy as np

from filigrane.core.values import Pixels
from filigrane.perturb.base import cropped


class Crop:
    """A centred window."""

    name = "crop"
    unit = "share of each side kept"
    strengths = (0.9, 0.75, 0.5)
    bounds = (0.05, 1.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """The middle of the picture."""
        return cropped(pixels, strength)


def build() -> Crop:
    """The attack, without options."""
    return Crop()
