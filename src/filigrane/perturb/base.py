"""What an attack is: a named change to pixels with one number for its strength.

The same attacks are training augmentation and robustness sweep, so that what is trained for is what is measured.
"""

from __future__ import annotations

import io
from typing import Protocol

import numpy as np
from PIL import Image

from filigrane.core import plugins
from filigrane.core.values import Pixels

ATTACKS = "filigrane.perturb.attacks"
"""The folder of attacks, for ``plugins.names`` and ``plugins.load``."""


class Attack(Protocol):
    """One way a picture is changed by the world.

    ``name`` is the file's name, ``unit`` says in words what a strength counts, ``strengths`` are those of the
    yardstick, mildest first, and ``bounds`` the least and the most that means anything.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    bounds: tuple[float, float]

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """The changed picture, uint8 (H', W', 3); ``pixels`` stay as they are, and equal seeds give equal results."""
        ...


def names() -> tuple[str, ...]:
    """Names of all attacks.

    >>> "jpeg" in names()
    True
    """
    return plugins.names(ATTACKS)


def load(name: str) -> Attack:
    """The attack called ``name``; raises NotFound with the known names."""
    attack: Attack = plugins.load(ATTACKS, name)
    return attack


def recode(pixels: Pixels, codec: str, quality: int) -> Pixels:
    """The picture written by the default encoder of ``codec`` ("JPEG", "WEBP") at ``quality`` 1–100, and read."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, codec, quality=quality)
    return np.array(Image.open(buffer).convert("RGB"))


def resized(pixels: Pixels, width_px: int, height_px: int) -> Pixels:
    """The picture resampled (Lanczos) to the given size, at least one pixel a side."""
    size = (max(1, width_px), max(1, height_px))
    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def scaled(pixels: Pixels, factor: float) -> Pixels:
    """The picture with both sides times ``factor``, rounded to whole pixels."""
    return resized(pixels, round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))


def cropped(pixels: Pixels, share: float, *, across: float = 0.5, down: float = 0.5) -> Pixels:
    """The window that keeps ``share`` (0–1] of each side; ``across`` and ``down`` (0–1) say where it lies."""
    height, width = (max(1, round(side * share)) for side in pixels.shape[:2])
    top, left = round((pixels.shape[0] - height) * down), round((pixels.shape[1] - width) * across)
    return pixels[top : top + height, left : left + width].copy()
