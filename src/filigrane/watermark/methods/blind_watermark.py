"""Adapter of the package blind-watermark, where the user has it: DWT, DCT and SVD with two passwords.

Its messages carry no check, so a read always gives some number, and the probability it states is 1.
"""

from __future__ import annotations

import contextlib

import cv2
import numpy as np

from filigrane.core.errors import WatermarkError
from filigrane.core.values import Pixels, Reading
from filigrane.watermark.base import check_payload, code_hash
from filigrane.watermark.peers import from_bits, imported, release, to_bits

PAYLOAD_BITS = 32
_REFUSALS = (AssertionError, IndexError, ValueError)
"""What the package raises for pictures that are too small."""


class BlindWatermark:
    """The package's embedder and extractor for 32 bits; ``password`` shuffles blocks and bits."""

    name = "blind_watermark"
    payload_bits = PAYLOAD_BITS
    can_embed = True
    variants: tuple[str, ...] = ()

    def __init__(self, *, password: int) -> None:
        self._package = imported("blind_watermark", "blind-watermark", feature="The method blind_watermark")
        with contextlib.suppress(AttributeError):
            self._package.bw_notes.close()  # it would print a greeting
        self._password = password

    @property
    def hash(self) -> str:
        """Of the code, the release of the package, and the options."""
        return code_hash(release("blind-watermark"), str(self._password))

    def embed(self, pixels: Pixels, payload: int) -> Pixels:
        """The marked picture, same shape; raises WatermarkError where it is too small for the package."""
        bits = to_bits(check_payload(payload, PAYLOAD_BITS), PAYLOAD_BITS)
        marker = self._package.WaterMark(password_img=self._password, password_wm=self._password)
        try:
            marker.read_img(img=cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
            marker.read_wm(bits, mode="bit")
            marked = np.clip(np.rint(marker.embed()), 0, 255).astype(np.uint8)
        except _REFUSALS as error:
            raise WatermarkError(
                "The picture is too small for the package blind-watermark to hold 32 bits; give a larger one."
            ) from error
        return np.asarray(cv2.cvtColor(marked, cv2.COLOR_BGR2RGB), np.uint8)

    def read(self, pixels: Pixels) -> Reading:
        """The 32 bits that the package reads, whether or not there is a mark; None where it refuses the picture."""
        marker = self._package.WaterMark(password_img=self._password, password_wm=self._password)
        picture = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        try:
            bits = marker.extract(embed_img=picture, wm_shape=PAYLOAD_BITS, mode="bit")
        except _REFUSALS:
            return Reading(payload=None, p_value=1.0, method=self.name)
        return Reading(payload=from_bits([int(bit > 0.5) for bit in bits]), p_value=1.0, method=self.name)


def build(password: int = 1) -> BlindWatermark:
    """The adapter; raises MissingExtra where the package is not installed."""
    return BlindWatermark(password=password)
