"""The layer that embedding adds: the carrier in the frame, shaped by the mask, brought to the picture's own size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from filigrane.core.values import Pixels
from filigrane.watermark.carrier import SIDE, pattern
from filigrane.watermark.frame import CELL_PX, LUMA, Frame, Plane, frame_of, resized
from filigrane.watermark.mask import visibility_mask
from filigrane.watermark.polar import Soft

COLOUR = np.sqrt(LUMA) / np.power(LUMA, 1.5).sum()
"""The change of red, green and blue that moves luma by one.

Half-way between the least total change, which falls mostly on green, to which eyes are keenest, and pure grey. The
three are rounded at different places, which leaves luma finer steps than a grey level.
"""
_RIM_SHARE = 0.08
"""Share of each side, at either end, that counts as the rim."""
_RIM = 0.4
"""Weight of the mark at the very edge."""
_BAND_ROWS = 64


class Layer:
    """The mark of one picture, to be added at any strength."""

    def __init__(self, pixels: Pixels, tile: Soft) -> None:
        self._pixels = pixels
        frame = frame_of(pixels)
        height, width = pixels.shape[:2]
        hidden = visibility_mask(frame.luma(pixels)) * taper(frame.shape)
        shaped = hidden * carrier_plane(tile, frame)
        self._plane = resized(shaped, height, width, grow=cv2.INTER_LINEAR)
        power = float(np.mean(np.square(self._plane))) * float(np.mean(np.square(COLOUR)))
        self.psnr_db = float(10 * np.log10(255**2 / max(power, 1e-9)))

    def added(self, strength_db: float = 0.0) -> Pixels:
        """The picture with the layer, ``strength_db`` above what the mask calls hidden."""
        amplitude = 10 ** (strength_db / 20)
        out = np.empty_like(self._pixels)
        for top in range(0, len(out), _BAND_ROWS):
            band = slice(top, top + _BAND_ROWS)
            change = cv2.merge([self._plane[band] * np.float32(weight * amplitude) for weight in COLOUR])
            cv2.add(self._pixels[band], change, dst=out[band], dtype=cv2.CV_8U)
        return out


def taper(shape: tuple[int, int]) -> Plane:
    """Weights up to 1, float32, that fall towards the rim: what every crop takes away need not carry much."""
    down, across = (np.minimum(np.minimum(ramp, ramp[::-1]) / _RIM_SHARE, 1) for ramp in map(_ramp, shape))
    return np.asarray(_RIM + (1 - _RIM) * np.minimum.outer(down, across), np.float32)


def _ramp(side: int) -> NDArray[np.float64]:
    return (np.arange(side) + 0.5) / side


def carrier_plane(tile: Soft, frame: Frame) -> Plane:
    """The carrier over the whole frame: the nominal grid, every cell of one value."""
    (height, width), (down, across) = frame.shape, frame.stretch
    cell = CELL_PX * frame.cell_scale
    rows, columns = (2 * SIDE * int(np.ceil(side / cell / SIDE / 2 + 0.01)) for side in (height, width))
    matrix = np.array(
        [
            [across / cell, 0, columns / 2 - 0.5 - (width / 2 - 0.5) * across / cell],
            [0, down / cell, rows / 2 - 0.5 - (height / 2 - 0.5) * down / cell],
        ]
    )
    cells = pattern(tile, columns, rows)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(cells, matrix, (width, height), flags=flags), np.float32)
