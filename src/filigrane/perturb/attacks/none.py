"""No attack: the row every other row is compared with."""

from __future__ import annotations

import numpy as np

from filigrane.core.values import Pixels


class Nothing:
    """The picture as it is."""

    name = "none"
    unit = "nothing"
    strengths = (0.0,)
    bounds = (0.0, 0.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """The same picture."""
        return pixels.copy()


def build() -> Nothing:
    """The attack, without options."""
    return Nothing()
