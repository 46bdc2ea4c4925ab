"""Blur, as by a soft lens or a cheap scaler."""

from __future__ import annotations

import cv2
import numpy as np

from filigrane.core.values import Pixels


class GaussianBlur:
    """Gaussian blur."""

    name = "gaussian_blur"
    unit = "sigma in pixels"
    strengths = (1.0, 2.0)
    bounds = (0.1, 50.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """A Gaussian of standard deviation ``strength``."""
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), strength), np.uint8)


def build() -> GaussianBlur:
    """The attack, without options."""
    return GaussianBlur()
