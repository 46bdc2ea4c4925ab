"""Noise, as of a high sensitivity or added film grain."""

from __future__ import annotations

import numpy as np

from filigrane.core.values import Pixels


class GaussianNoise:
    """White Gaussian noise."""

    name = "gaussian_noise"
    unit = "sigma in grey levels"
    strengths = (5.0, 10.0)
    bounds = (0.0, 128.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """White noise in each channel, drawn from ``rng``, rounded and clipped."""
        noisy = pixels + rng.normal(0.0, strength, pixels.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def build() -> GaussianNoise:
    """The attack, without options."""
    return GaussianNoise()
