"""The mark that Stable Diffusion's own tools leave, read only.

The scripts of Stable Diffusion 1 and 2 mark with the 136 bits of the text "StableDiffusionV1", the SDXL pipeline of
diffusers with a constant of 48 bits, both by the method "dwtDct" of the package invisible-watermark: the U plane, one
level of a Haar wavelet, blocks of 4 x 4 of the approximation; the largest value of each block but its first is moved to
a quarter (bit 0) or three quarters (bit 1) of a step of 36. The scripts work on bytes, where U is centred on 128, and
diffusers on floats, where it is centred on a half; some versions had red and blue exchanged. All are tried.

Reading is this package's own and stronger than the original: all blocks of one bit vote with the sine of their phase,
less the mean vote around them, so that the picture's own structure does not speak; and the number of bits that agree
gives a probability. The mark is a public constant: it tells which tool was used, and anybody can put it anywhere.
"""

from __future__ import annotations

import math
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import WatermarkError
from filigrane.core.values import Pixels, Reading
from filigrane.watermark.base import code_hash
from filigrane.watermark.peers import from_bits, to_bits

SD_BITS = tuple(to_bits(int.from_bytes(b"StableDiffusionV1", "big"), 136))
SDXL_BITS = tuple(to_bits(0b101100111110110010010000011110111011000110011110, 48))
_BLOCK = 4
_STEP = 36.0
_ALARM = 1e-6
"""Largest probability, over everything tried, at which a mark is reported."""
_CENTRES = (128.0, 0.5)
"""Value of U where there is no colour: in bytes, and in floats."""
_TRIES = 8
_LEAST_PX = 64


class StableDiffusionMark:
    """Reads the DWT-DCT mark of Stable Diffusion's scripts and of diffusers."""

    name = "sd_dwtdct"
    payload_bits = 136
    can_embed = False
    variants: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Of the code, which is all there is."""
        return code_hash()

    def embed(self, pixels: Pixels, payload: int) -> Pixels:
        """Always raises WatermarkError: this mark is read, never made."""
        raise WatermarkError("The mark of Stable Diffusion's tools is only read here: embed with the method 'spread'.")

    def read(self, pixels: Pixels) -> Reading:
        """The constant that was found (136 or 48 bits) with its probability, or None."""
        best = Reading(payload=None, p_value=1.0, method=self.name)
        if min(pixels.shape[:2]) < _LEAST_PX:
            return best
        for code, centre in product((cv2.COLOR_RGB2YUV, cv2.COLOR_BGR2YUV), _CENTRES):
            chroma = np.asarray(cv2.cvtColor(pixels.astype(np.float32), code))[:, :, 1] - 0.5 + centre
            votes = _votes(np.asarray(chroma, np.float32))
            for bits in (SD_BITS, SDXL_BITS):
                agreeing = _agreeing(votes, bits)
                p_value = min(1.0, _TRIES * binomial_tail(agreeing, len(bits)))
                if p_value < min(_ALARM, best.p_value):
                    share = agreeing / len(bits)
                    best = Reading(from_bits(list(bits)), p_value, bit_accuracy=share, method=self.name)
        return best


def _votes(chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vote of each block in the order of embedding, -1 for bit 0 to 1 for bit 1, less the mean vote around it."""
    rows, columns = (side // 4 * 2 for side in chroma.shape)
    halved = chroma[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).sum((1, 3)) / 2
    down, across = rows // _BLOCK, columns // _BLOCK
    blocks = halved[: down * _BLOCK, : across * _BLOCK].reshape(down, _BLOCK, across, _BLOCK)
    values = np.abs(blocks.transpose(0, 2, 1, 3).reshape(down, across, _BLOCK * _BLOCK)[..., 1:]).max(-1)
    votes = -np.sin(2 * np.pi / _STEP * values).astype(np.float32)
    return np.asarray(votes - cv2.blur(votes, (9, 9))).ravel()


def _agreeing(votes: NDArray[np.float32], bits: tuple[int, ...]) -> int:
    """How many of ``bits`` the summed votes agree with."""
    sums = np.bincount(np.arange(len(votes)) % len(bits), weights=votes, minlength=len(bits))
    return int(((sums > 0) == np.array(bits, bool)).sum())


def binomial_tail(hits: int, trials: int) -> float:
    """Probability of at least ``hits`` heads in ``trials`` throws of a fair coin.

    >>> binomial_tail(2, 2)
    0.25
    """
    return float(sum(math.comb(trials, count) for count in range(hits, trials + 1)) / 2**trials)


def build() -> StableDiffusionMark:
    """The reader, without options."""
    return StableDiffusionMark()
