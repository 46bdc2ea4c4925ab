"""What a watermark method is, and the checks that all of them share."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

from filigrane.core import plugins
from filigrane.core.errors import UsageError, WatermarkError
from filigrane.core.values import Pixels, Reading

METHODS = "filigrane.watermark.methods"
"""The folder of methods, for ``plugins.names`` and ``plugins.load``."""


class Watermarker(Protocol):
    """A way to write a number into pixels so that it can be read back blindly.

    ``name`` is the file's name; ``payload_bits`` how many bits a payload has; ``can_embed`` is False for methods that
    only read the marks that others leave; ``variants`` are measured each by itself, if there are any.
    """

    name: str
    payload_bits: int
    can_embed: bool
    variants: tuple[str, ...]

    @property
    def hash(self) -> str:
        """A word that changes whenever what is embedded or read might; it may take reading files."""
        ...

    def embed(self, pixels: Pixels, payload: int) -> Pixels:
        """The marked picture, same shape, for a ``payload`` of 0 … 2**payload_bits - 1.

        Raises WatermarkError where no mark can be embedded so that it reads back, UsageError for a bad payload.
        """
        ...

    def read(self, pixels: Pixels) -> Reading:
        """What can be read from ``pixels``, uint8 (H, W, 3); ``payload`` is None where no mark was found."""
        ...


def load(name: str, **options: object) -> Watermarker:
    """The method called ``name``, built with ``options``; raises NotFound with the known names.

    A name such as ``invisible_watermark:rivaGan`` also gives the option ``variant``.
    """
    name, _, variant = name.partition(":")
    method: Watermarker = plugins.load(METHODS, name, **options, **({"variant": variant} if variant else {}))
    return method


def code_hash(*parts: str) -> str:
    """A hash of the code in this room and of ``parts``: what a method's `Watermarker.hash` is made of."""
    digest = hashlib.sha256("\0".join(parts).encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def check_payload(payload: int, bits: int) -> int:
    """The payload itself; raises UsageError where it has more than ``bits`` bits.

    >>> check_payload(5, 3)
    5
    """
    if not 0 <= payload < 1 << bits:
        raise UsageError(f"The payload {payload} does not fit: give a number from 0 to 2**{bits} - 1.")
    return payload


def check_side(pixels: Pixels, least_px: int) -> Pixels:
    """The pixels themselves; raises WatermarkError where the shorter side is under ``least_px``."""
    height, width = pixels.shape[:2]
    if min(height, width) < least_px:
        raise WatermarkError(
            f"The picture has {width} x {height} pixels, too few to carry a mark: give one of at least "
            f"{least_px} pixels on the shorter side."
        )
    return pixels
