"""What a generator is: a recipe goes in, pixels come out. All it takes to make a picture again is in the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from filigrane.core.values import Pixels


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a picture depends on, but the machine: the same recipe gives the same picture on the same machine.

    ``guidance`` is the classifier-free guidance scale (1 is none); ``scheduler`` names the sampler, ``""`` the
    model's own; sizes are in pixels.
    """

    model: str
    prompt: str
    negative: str = ""
    seed: int = 0
    steps: int = 16
    guidance: float = 3.0
    width_px: int = 256
    height_px: int = 256
    scheduler: str = ""


class Generator(Protocol):
    """Makes pictures."""

    def sample(self, recipe: Recipe) -> Pixels:
        """The picture of ``recipe``, uint8 (height_px, width_px, 3)."""
        ...
