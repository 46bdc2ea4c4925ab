"""Cropping somewhere, as a person does."""

from __future__ import annotations

import numpy as np

from filigrane.core.values import Pixels
from filigrane.perturb.base import cropped


class RandomCrop:
    """A window of given size anywhere in the picture."""

    name = "random_crop"
    unit = "share of each side kept"
    strengths = (0.75,)
    bounds = (0.05, 1.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """A window at a place drawn from ``rng``."""
        return cropped(pixels, strength, across=rng.random(), down=rng.random())


def build() -> RandomCrop:
    """The attack, without options."""
    return RandomCrop()
