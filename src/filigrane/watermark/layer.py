"""The layer that embedding adds: the carrier in the frame, shaped by the mask, brought to the picture's own size."""

from __future__ import annotations

import cv2
import numpy as np

from filigrane.core.values import Pixels
from filigrane.watermark.carrier import SIDE, pattern
from filigrane.watermark.frame import CELL_PX, LUMA, Frame, Plane, frame_of
from filigrane.watermark.mask import visibility_mask
from filigrane.watermark.polar import Soft

COLOUR = np.array(LUMA) / np.square(LUMA).sum()
"""The change of red, green and blue that moves luma by one with the least total change."""
_BAND_ROWS = 512


class Layer:
    """The mark of one picture, to be added at any strength."""

    def __init__(self, pixels: Pixels, tile: Soft) -> None:
        self._pixels = pixels
        frame = frame_of(pixels)
        height, width = pixels.shape[:2]
        shaped = visibility_mask(frame.luma(pixels)) * carrier_plane(tile, frame)
        self._plane = np.asarray(cv2.resize(shaped, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        self._grain = dither((min(height, _BAND_ROWS), width))
        power = float(np.mean(np.square(self._plane))) * float(np.mean(np.square(COLOUR)))
        self.psnr_db = float(10 * np.log10(255**2 / max(power, 1e-9)))

    def added(self, strength_db: float = 0.0) -> Pixels:
        """The picture with the layer, ``strength_db`` above what the mask calls hidden."""
        amplitude = 10 ** (strength_db / 20)
        out = np.empty_like(self._pixels)
        for top in range(0, len(out), _BAND_ROWS):
            band = slice(top, top + _BAND_ROWS)
            plane = self._plane[band]
            grain = self._grain[: len(plane)]
            change = cv2.merge([cv2.scaleAdd(plane, float(weight * amplitude), grain) for weight in COLOUR])
            cv2.add(self._pixels[band], change, dst=out[band], dtype=cv2.CV_8U)
        return out


def dither(shape: tuple[int, int]) -> Plane:
    """Grain from -0.5 to 0.5 that makes rounding linear, so that flat places carry fractions of a grey level.

    Interleaved gradient noise (Jimenez, 2014).
    """
    ramp = np.add.outer(0.00583715 * np.arange(shape[0]), 0.06711056 * np.arange(shape[1]))
    return np.asarray((52.9829189 * (ramp % 1)) % 1 - 0.5, np.float32)


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
