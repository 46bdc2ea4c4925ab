"""From luma to chips: the picture itself is suppressed, what remains is summed over all tiles of an assumed grid.

The suppression is the noise part of a Wiener filter (Lee, 1980): what a 5 x 5 mean does not explain, weighed by how
little the neighbourhood varies. It both removes the picture and gives smooth places, where the mark is certain, more
say than busy ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from filigrane.watermark.carrier import SIDE
from filigrane.watermark.frame import CELL_PX, Frame, Plane

_NARROW_PX = 5
_WIDE_PX = 9
_NOISE = 6.0
"""Power in grey levels squared that is taken for mark and noise rather than picture."""
_STEPS = 2
"""Samples along each side of a cell."""
FOLD = SIDE * _STEPS
"""Samples along each side of a folded tile."""


def narrow(luma: Plane) -> Plane:
    """What is left of ``luma`` (0–255) when the picture is taken out, float32, same shape."""
    return _suppressed(luma, _NARROW_PX)


def wide(luma: Plane) -> Plane:
    """The same for pictures that lost their fine detail: a wider window, and a flatter spectrum."""
    return _flattened(_suppressed(luma, _WIDE_PX))


def _suppressed(luma: Plane, window_px: int) -> Plane:
    window = (window_px, window_px)
    mean = cv2.blur(luma, window, borderType=cv2.BORDER_REFLECT_101)
    square = cv2.blur(luma * luma, window, borderType=cv2.BORDER_REFLECT_101)
    variance = np.maximum(square - mean * mean, 0)
    return np.asarray((luma - mean) / (variance + _NOISE), np.float32)


def _flattened(rest: Plane) -> Plane:
    """The rest with the fourth root of its smoothed power spectrum divided out."""
    shape = tuple(cv2.getOptimalDFTSize(side) for side in rest.shape)
    spectrum = np.fft.rfft2(rest, s=shape)
    power = cv2.blur(np.fft.fftshift(np.abs(spectrum).astype(np.float32) ** 2, axes=0), (9, 9))
    level = np.fft.ifftshift(power, axes=0)
    spectrum /= (level + 1e-6 * level.mean() + 1e-20) ** 0.25
    flat = np.fft.irfft2(spectrum, s=shape)[: rest.shape[0], : rest.shape[1]]
    return np.ascontiguousarray(flat, np.float32)


@dataclass(frozen=True, slots=True)
class Grid:
    """An assumed grid: cells of ``scale`` times the nominal side, turned by ``angle`` (radians), moved by ``shift``.

    ``shift`` (down, across) is in cells.
    """

    scale: float = 1.0
    angle: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)


class Folder:
    """Sums the rest of one picture over all tiles of a grid."""

    def __init__(self, rest: Plane, frame: Frame) -> None:
        self._rest = rest
        self._sides = frame.shape
        self._stretch = frame.stretch
        self._averages: dict[int, Plane] = {}

    def fold(self, grid: Grid) -> NDArray[np.float32]:
        """Sums at two samples a cell side, float32 (64, 64), over all tiles of ``grid``."""
        rows, columns = self._samples(grid)
        window = max(1, round(_step(grid)))
        matrix = self._matrix(grid, rows, columns, lag=0.5 * (window % 2 == 0))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        sampled = np.asarray(cv2.warpAffine(self._average(window), matrix, (columns, rows), flags=flags))
        tiles = sampled.reshape(rows // FOLD, FOLD, columns // FOLD, FOLD)
        return np.asarray(tiles.sum(axis=(0, 2)), np.float32)

    def chips(self, grid: Grid) -> NDArray[np.float32]:
        """Sums per chip, float32 (32, 32), over all tiles of ``grid``."""
        halves = self.fold(grid).reshape(SIDE, _STEPS, SIDE, _STEPS)
        return np.asarray(halves.sum(axis=(1, 3)), np.float32)

    def half(self) -> Plane:
        """The rest at half the size, limited in amplitude so that no single place rules."""
        rows, columns = self._rest.shape
        limit = 2 * float(np.std(self._rest))
        limited = np.clip(self._rest, -limit, limit)
        return np.asarray(cv2.resize(limited, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA), np.float32)

    def _average(self, window: int) -> Plane:
        """The rest, averaged over a sample's width, so that no pixel falls between the samples."""
        if window not in self._averages:
            average = cv2.blur(self._rest, (window, window), borderType=cv2.BORDER_CONSTANT)
            self._averages[window] = np.asarray(average, np.float32)
        return self._averages[window]

    def _samples(self, grid: Grid) -> tuple[int, int]:
        """Samples down and across, in an even number of whole tiles about the centre, that cover the picture."""
        height, width = self._sides
        cos, sin = abs(np.cos(grid.angle)), abs(np.sin(grid.angle))
        reach = 2 * FOLD * _step(grid)
        down, across = (height * cos + width * sin) / reach, (width * cos + height * sin) / reach
        return (
            2 * FOLD * int(np.ceil(down + abs(grid.shift[0]) / SIDE)),
            2 * FOLD * int(np.ceil(across + abs(grid.shift[1]) / SIDE)),
        )

    def _matrix(self, grid: Grid, rows: int, columns: int, *, lag: float) -> NDArray[np.float64]:
        """Affine map from sample indices to pixels of the frame; ``lag`` is by how much the averages trail."""
        (height, width), (down, across) = self._sides, self._stretch
        cos, sin = np.cos(grid.angle) * _step(grid), np.sin(grid.angle) * _step(grid)
        turn = np.array([[cos / across, sin / across], [-sin / down, cos / down]])
        origin = np.array([columns / 2 - 0.5 - grid.shift[1] * _STEPS, rows / 2 - 0.5 - grid.shift[0] * _STEPS])
        middle = np.array([width / 2 - 0.5 + lag, height / 2 - 0.5 + lag])
        return np.column_stack([turn, middle - turn @ origin])


def _step(grid: Grid) -> float:
    """Frame pixels from one sample to the next."""
    return CELL_PX * grid.scale / _STEPS
