"""The yardstick: every attack at every strength that figures are reported for, in one fixed order.

One table serves training augmentation and robustness sweeps. Rows are deterministic: the random ones draw from a
generator seeded with the row's own name and the picture's number.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from filigrane.core.errors import UsageError
from filigrane.core.values import Pixels
from filigrane.perturb import base
from filigrane.perturb.attacks import regenerate


@dataclass(frozen=True, slots=True)
class Attacked:
    """One row: an attack by name, at one strength."""

    attack: str
    strength: float

    @property
    def name(self) -> str:
        """Attack and strength in one word.

        >>> Attacked("jpeg", 75.0).name
        'jpeg-75'
        """
        return self.attack if self.attack == "none" else f"{self.attack}-{self.strength:g}"

    def apply(self, pixels: Pixels, index: int = 0) -> Pixels:
        """The row's attack on picture number ``index``; equal arguments give equal pixels on every machine."""
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), index])
        return base.load(self.attack).apply(pixels, self.strength, rng)


ORDER = (
    "none",
    "jpeg",
    "webp",
    "resize",
    "resize_back",
    "crop",
    "random_crop",
    "rotate",
    "flip",
    "gaussian_blur",
    "median",
    "gaussian_noise",
    "brightness",
    "contrast",
    "saturation",
    "greyscale",
    "screenshot",
    "social",
    "repost",
)
"""The attacks of the yardstick, in the order of its rows."""


def yardstick() -> tuple[Attacked, ...]:
    """All rows, the untouched picture first.

    >>> len(yardstick())
    34
    """
    return tuple(Attacked(name, strength) for name in ORDER for strength in base.load(name).strengths)


def row(name: str) -> Attacked:
    """The row written ``attack-strength``, such as ``"jpeg-75"``, whether or not the yardstick has it.

    Raises NotFound for an unknown attack, UsageError for a strength that is missing or means nothing.

    >>> row("rotate--10").strength
    -10.0
    """
    word, _, written = name.partition("-")
    attack = base.load(word)
    least, most = attack.bounds
    try:
        strength = float(written) if written or word != "none" else 0.0
    except ValueError:
        strength = math.nan
    if not least <= strength <= most:
        raise UsageError(
            f"{name!r} is no row of the attack table: give {word}-N with N from {least:g} to {most:g} ({attack.unit})."
        )
    return Attacked(attack.name, strength)


def attacks_hash() -> str:
    """A hash of the code of all attacks, and of the autoencoder that regeneration takes: with others, other pictures.

    What third parties add is not part of it. Reads the autoencoder whole, so ask once a run.
    """
    digest = hashlib.sha256()
    files = sorted(Path(__file__).parent.rglob("*.py"))
    autoencoder = regenerate.autoencoder()
    if autoencoder is not None:
        files += sorted(path for path in autoencoder.iterdir() if path.is_file())
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
