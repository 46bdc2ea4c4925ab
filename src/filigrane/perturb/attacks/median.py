"""Median filtering, as denoisers do."""

from __future__ import annotations

import cv2
import numpy as np

from filigrane.core.errors import UsageError
from filigrane.core.values import Pixels


class Median:
    """Median filter."""

    name = "median"
    unit = "window in pixels (odd)"
    strengths = (3.0,)
    bounds = (1.0, 99.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """The median of each channel in a square window; raises UsageError for an even one."""
        if round(strength) % 2 == 0:
            raise UsageError(f"A median needs a window of an odd number of pixels, not {strength:g}.")
        return np.asarray(cv2.medianBlur(pixels, round(strength)), np.uint8)


def build() -> Median:
    """The attack, without options."""
    return Median()
