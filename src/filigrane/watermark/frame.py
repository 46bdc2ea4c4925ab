"""The normalised frame: every picture, whatever its size, is looked at with an area of 512 x 512 pixels.

So resizing costs nothing, and reading a picture of 64 megapixels takes hardly longer than reading a small one. The
grid of cells is anchored at the centre and scaled by the exact square root of the area, so that neither the rounding of
the frame's sides nor a crop about the centre moves it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from filigrane.core.values import Pixels

SIDE_PX = 512
"""Square root of the frame's area."""
CELL_PX = 4
"""Side of a cell, which carries one chip, in frame pixels."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luma."""
CELL_SCALES = (1.0, 1.5)
"""Sizes of a cell, in units of CELL_PX, that embedding uses: the second for small pictures."""
_SMALL_PX = 362
_BAND_ROWS = 64
"""Rows that are worked on at once, so that they stay in the cache."""

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of a picture of ``width_px`` x ``height_px``."""

    width_px: int
    height_px: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the frame, in whole pixels."""
        return max(1, round(self.height_px * self._scale)), max(1, round(self.width_px * self._scale))

    @property
    def stretch(self) -> tuple[float, float]:
        """True frame length per frame pixel, down and across: 1, but for the rounding of ``shape``."""
        rows, columns = self.shape
        return self.height_px * self._scale / rows, self.width_px * self._scale / columns

    @property
    def cell_scale(self) -> float:
        """Size of a cell that embedding uses: larger in small pictures, where it is few pixels of the picture."""
        return CELL_SCALES[int(self.width_px * self.height_px < _SMALL_PX**2)]

    @property
    def _scale(self) -> float:
        return float(SIDE_PX / np.sqrt(self.width_px * self.height_px))

    def luma(self, pixels: Pixels) -> Plane:
        """Luma (Rec. 601) of ``pixels`` in the frame, float32, 0–255, unrounded: in flat places fractions are all."""
        luma = np.empty(pixels.shape[:2], np.float32)
        for top in range(0, len(luma), _BAND_ROWS):
            red, green, blue = cv2.split(pixels[top : top + _BAND_ROWS])
            most = cv2.addWeighted(red, LUMA[0], green, LUMA[1], 0.0, dtype=cv2.CV_32F)
            cv2.scaleAdd(blue.astype(np.float32), LUMA[2], most, dst=luma[top : top + _BAND_ROWS])
        return self.fit(luma)

    def fit(self, luma: Plane) -> Plane:
        """A plane of the picture's size, brought to the frame's."""
        return resized(luma, *self.shape, grow=cv2.INTER_CUBIC)


def resized(plane: Plane, rows: int, columns: int, *, grow: int) -> Plane:
    """The plane at another size: averaged where it shrinks, by the interpolation ``grow`` where it grows."""
    method = cv2.INTER_AREA if columns < plane.shape[1] else grow
    return np.asarray(cv2.resize(plane, (columns, rows), interpolation=method), np.float32)


def frame_of(pixels: Pixels) -> Frame:
    """The frame of a picture."""
    return Frame(width_px=pixels.shape[1], height_px=pixels.shape[0])
