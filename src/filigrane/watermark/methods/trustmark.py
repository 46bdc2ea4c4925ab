"""Adapter of TrustMark (Bui et al., 2023), where the user has the package ``trustmark`` and its models installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image

from filigrane.core.values import Pixels, Reading
from filigrane.watermark.base import check_payload, code_hash
from filigrane.watermark.peers import from_bits, imported, release, to_bits

PAYLOAD_BITS = 61
_CODED_BITS = 96
_CORRECTED = 5
_PARITY_BITS = 35


def false_accept() -> float:
    """Probability that the code (BCH, 5 errors corrected, 35 parity bits) takes a random word for a message.

    >>> round(false_accept(), 4)
    0.0019
    """
    near = sum(math.comb(_CODED_BITS, errors) for errors in range(_CORRECTED + 1))
    return near / 2.0**_PARITY_BITS


class TrustMarkAdapter:
    """TrustMark in its 61-bit schema (BCH_5); ``variant`` is one of its models, such as "Q" or "P"."""

    name = "trustmark"
    payload_bits = PAYLOAD_BITS
    can_embed = True
    variants: tuple[str, ...] = ()

    def __init__(self, *, variant: str) -> None:
        self._package = imported("trustmark", "trustmark", feature="The TrustMark method")
        self._variant = variant
        self._model: Any = None

    @property
    def hash(self) -> str:
        """Of the code, the release of the package, and the options."""
        return code_hash(release("trustmark"), self._variant)

    def embed(self, pixels: Pixels, payload: int) -> Pixels:
        """The marked picture; raises UsageError for a payload of more than 61 bits."""
        bits = "".join(map(str, to_bits(check_payload(payload, PAYLOAD_BITS), PAYLOAD_BITS)))
        return np.array(self._loaded().encode(Image.fromarray(pixels), bits, MODE="binary").convert("RGB"))

    def read(self, pixels: Pixels) -> Reading:
        """The 61 bits, or None; the probability is that of the code alone."""
        bits, present, _ = self._loaded().decode(Image.fromarray(pixels), MODE="binary")
        if not present:
            return Reading(payload=None, p_value=1.0, method=self.name)
        return Reading(payload=from_bits([int(bit) for bit in bits]), p_value=false_accept(), method=self.name)

    def _loaded(self) -> Any:
        if self._model is None:
            kind = self._package.TrustMark
            self._model = kind(verbose=False, model_type=self._variant, encoding_type=kind.Encoding.BCH_5)
        return self._model


def build(variant: str = "Q") -> TrustMarkAdapter:
    """The adapter; raises MissingExtra where the package is not installed."""
    return TrustMarkAdapter(variant=variant)
