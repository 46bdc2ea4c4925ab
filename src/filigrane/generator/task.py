"""One picture to make: its recipe, and what a recipe can't hold, such as a picture to start from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from filigrane.core.values import Pixels
from filigrane.generator.base import Recipe

Mask = NDArray[np.uint8]
"""uint8, (height, width): 255 where to paint, 0 where to keep."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A step that is done, of how many; ``preview`` draws a small, rough picture of how far it is (None: too late).

    A preview has at most `PREVIEW_PX` on its longer side and there is none of the last step, so that no picture
    leaves this way without its marks.
    """

    step: int
    steps: int
    preview: Callable[[], Pixels] | None = field(default=None, repr=False)


PREVIEW_PX = 96
STRENGTH = 0.8
"""How far a start is left behind where nobody says."""


@dataclass(frozen=True, slots=True)
class LatentPlan:
    """The mark that the starting noise is to carry: the key (secret) and a number of 28 bits."""

    key: bytes = field(repr=False)
    number: int


@dataclass(frozen=True, slots=True)
class Task:
    """A recipe with its pictures: ``start`` alone is image-to-image, with ``mask`` inpainting (sizes as in the recipe).

    ``strength`` (0 to 1) says how far the start is left behind. ``latent`` is the mark to write where model and sampler
    allow it.
    """

    recipe: Recipe
    start: Pixels | None = field(default=None, repr=False)
    mask: Mask | None = field(default=None, repr=False)
    strength: float = STRENGTH
    latent: LatentPlan | None = None
    progress: Callable[[Progress], None] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Painted:
    """The picture made, not marked in its pixels yet.

    ``latent_problem`` says why the noise carries no mark; empty where it carries one.
    """

    pixels: Pixels = field(repr=False)
    latent_problem: str = ""
