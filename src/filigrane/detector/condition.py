"""In what condition a picture is: how much of its finest detail a journey through resizing and compression has left.

The number is the same for real and for AI pictures (AUC 0.49 on the training set), but tells untouched crops from those
that were scaled down and saved as JPEG 40 (AUC 0.87), whatever the file says about itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from filigrane.core.values import Pixels
from filigrane.detector.delivery import CROP_PX, windowed

_BLOCK_PX = 8
_COARSE, _FINE = 3, 9


def detail(pixels: Pixels) -> float:
    """Mean log amplitude of the fine waves of 8 x 8 blocks less that of the coarse ones, uint8 (H, W, 3) in.

    About -2.9 for pictures as they come from a camera, -4.2 after a strong JPEG; taken from the middle of the picture.
    """
    window = windowed(pixels, CROP_PX)
    height, width = (side // _BLOCK_PX * _BLOCK_PX for side in window.shape[:2])
    luma = window[:height, :width].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    blocks = luma.reshape(height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX).swapaxes(1, 2)
    waves = _waves()
    amplitude = np.log(np.abs(waves @ blocks @ waves.T).mean(axis=(0, 1)) + 1e-2)
    order = np.add.outer(np.arange(_BLOCK_PX), np.arange(_BLOCK_PX))
    coarse = (order > 0) & (order <= _COARSE)
    return float(amplitude[order >= _FINE].mean() - amplitude[coarse].mean())


def _waves() -> NDArray[np.float32]:
    """The orthonormal DCT-II of 8 points, one wave a row."""
    number = np.arange(_BLOCK_PX)
    waves = np.cos(np.pi * number[:, None] * (2 * number + 1) / (2 * _BLOCK_PX)) / 2
    waves[0] /= np.sqrt(2)
    return waves.astype(np.float32)
