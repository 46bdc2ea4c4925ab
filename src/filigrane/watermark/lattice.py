"""Rotation and scale from the picture alone: a repeated tile leaves a square lattice in the autocorrelation."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from filigrane.watermark.carrier import SIDE
from filigrane.watermark.demodulate import Folder, Grid
from filigrane.watermark.frame import CELL_PX, Plane

_SHRINK = 2
_SCALES = np.geomspace(0.7, 2.7, 136)
_ANGLES = np.deg2rad(np.arange(-45.0, 45.0, 0.5))
_NODES = np.array([(1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2)])
_SPREAD = 0.03
"""Lattices closer than this, in radians and in relative scale, count as one."""


def lattices(folder: Folder, *, best: int = 24) -> list[Grid]:
    """The ``best`` lattices (scale and angle) of the autocorrelation of ``folder``'s picture, clearest first."""
    peaks = autocorrelation(folder.half())
    scores = _scores(peaks)
    found = []
    for _ in range(best):
        row, column = np.unravel_index(int(scores.argmax()), scores.shape)
        found.append(Grid(scale=float(_SCALES[row]), angle=float(_ANGLES[column])))
        near = np.abs(np.log(_SCALES / _SCALES[row]))[:, None] < _SPREAD / 2
        scores[near & (np.abs(_ANGLES - _ANGLES[column])[None] < _SPREAD)] = -np.inf
    return found


def autocorrelation(plane: Plane) -> Plane:
    """Autocorrelation of ``plane`` without wrapping, the zero shift in the middle, its slow part taken out."""
    rows, columns = (cv2.getOptimalDFTSize(2 * side) for side in plane.shape)
    spectrum = np.fft.rfft2(plane, s=(rows, columns))
    power = np.fft.fftshift(np.fft.irfft2(np.abs(spectrum) ** 2, s=(rows, columns))).astype(np.float32)
    overlap = np.outer(_overlap(plane.shape[0], rows), _overlap(plane.shape[1], columns))
    power /= overlap
    return np.asarray(cv2.GaussianBlur(power, (0, 0), 0.7) - cv2.blur(power, (9, 9)), np.float32)


def _overlap(side: int, length: int) -> NDArray[np.float32]:
    """Root of how many pixels overlap at each shift, so that all shifts are equally noisy."""
    shift = np.abs(np.arange(length) - length // 2)
    return np.asarray(np.sqrt(np.maximum(side - shift, side / 4)), np.float32)


def _scores(peaks: Plane) -> NDArray[np.float32]:
    """Sum of the autocorrelation at the first nodes of each lattice, (scales, angles)."""
    period = SIDE * CELL_PX / _SHRINK * _SCALES
    cos, sin = np.outer(period, np.cos(_ANGLES)), np.outer(period, np.sin(_ANGLES))
    middle = np.array(peaks.shape) // 2
    total = np.zeros(cos.shape, np.float32)
    for right, down in _NODES:
        across = (right * cos + down * sin + middle[1]).astype(np.float32)
        along = (down * cos - right * sin + middle[0]).astype(np.float32)
        total += cv2.remap(peaks, across, along, cv2.INTER_LINEAR, borderValue=0.0)
    return total
