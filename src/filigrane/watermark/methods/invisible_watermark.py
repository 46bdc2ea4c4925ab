"""Adapter of the package invisible-watermark, where the user has it: dwtDct, dwtDctSvd or rivaGan by option.

Its messages carry no check, so a read always gives some number, and the probability it states is 1.
"""

from __future__ import annotations

import cv2
import numpy as np

from filigrane.core.errors import UsageError, WatermarkError
from filigrane.core.values import Pixels, Reading
from filigrane.watermark.base import check_payload, code_hash
from filigrane.watermark.peers import from_bits, imported, release, to_bits

PAYLOAD_BITS = 32
VARIANTS = ("dwtDct", "dwtDctSvd", "rivaGan")
_LEAST_PX = 256


class InvisibleWatermark:
    """The package's encoder and decoder for 32 bits, by the method ``variant``."""

    name = "invisible_watermark"
    payload_bits = PAYLOAD_BITS
    can_embed = True
    variants: tuple[str, ...] = VARIANTS

    def __init__(self, *, variant: str) -> None:
        if variant not in VARIANTS:
            raise UsageError(f"There is no variant {variant!r}; known are: {', '.join(VARIANTS)}.")
        self._package = imported("imwatermark", "invisible-watermark", feature=f"The method {variant}")
        self._variant = variant
        if variant == "rivaGan":
            self._package.WatermarkEncoder.loadModel()

    @property
    def hash(self) -> str:
        """Of the code, the release of the package, and the options."""
        return code_hash(release("invisible-watermark"), self._variant)

    def embed(self, pixels: Pixels, payload: int) -> Pixels:
        """The marked picture; raises WatermarkError under 256 x 256 pixels, which the package refuses."""
        if pixels.shape[0] * pixels.shape[1] < _LEAST_PX**2:
            raise WatermarkError(f"The package invisible-watermark needs at least {_LEAST_PX} x {_LEAST_PX} pixels.")
        encoder = self._package.WatermarkEncoder()
        encoder.set_watermark("bits", to_bits(check_payload(payload, PAYLOAD_BITS), PAYLOAD_BITS))
        marked = encoder.encode(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), self._variant)
        return np.asarray(cv2.cvtColor(np.asarray(marked, np.uint8), cv2.COLOR_BGR2RGB), np.uint8)

    def read(self, pixels: Pixels) -> Reading:
        """The 32 bits that the package reads, whether or not there is a mark; None under 256 x 256 pixels."""
        if pixels.shape[0] * pixels.shape[1] < _LEAST_PX**2:
            return Reading(payload=None, p_value=1.0, method=self.name)
        decoder = self._package.WatermarkDecoder("bits", PAYLOAD_BITS)
        bits = decoder.decode(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), self._variant)
        return Reading(payload=from_bits([int(bit) for bit in bits]), p_value=1.0, method=self.name)


def build(variant: str = "dwtDct") -> InvisibleWatermark:
    """The adapter; raises MissingExtra where the package is not installed, UsageError for an unknown ``variant``."""
    return InvisibleWatermark(variant=variant)
