"""Mirroring, the cheapest way past a matcher."""

from __future__ import annotations

import numpy as np

from filigrane.core.values import Pixels


class Flip:
    """The mirror image."""

    name = "flip"
    unit = "1 left to right, 2 top to bottom"
    strengths = (1.0,)
    bounds = (1.0, 2.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """Exact."""
        return np.ascontiguousarray(pixels[:, ::-1] if strength < 2 else pixels[::-1])


def build() -> Flip:
    """The attack, without options."""
    return Flip()
