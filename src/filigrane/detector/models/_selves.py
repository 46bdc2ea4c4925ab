"""How a picture predicts itself: linear predictors of each pixel from those around it, on several scales.

After "Forensic Self-Descriptions Are All You Need" (Nguyen et al., CVPR 2025, arXiv 2503.21003), with predictors solved
for each picture by least squares instead of learned ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from filigrane.core.values import Pixels

SCALES = 3
_REACH = 2
_RIDGE = 1e-2
NUMBERS = SCALES * ((2 * _REACH + 1) ** 2 - 1 + 2)
"""What describes a crop: 78 numbers."""

Floats = NDArray[np.float64]


def description(pixels: Pixels) -> NDArray[np.float32]:
    """`NUMBERS` float32 for uint8 (H, W, 3) of at least 48 pixels a side: weights, spread and tails on each scale."""
    luma = pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    parts = []
    for _ in range(SCALES):
        parts.append(_predicted(luma))
        luma = _halved(luma)
    return np.concatenate(parts).astype(np.float32)


def _predicted(luma: Floats) -> Floats:
    """The 24 weights of the neighbours, and log spread and log kurtosis of what they leave unexplained."""
    height, width = luma.shape
    side = range(2 * _REACH + 1)
    views = [
        luma[down : height - 2 * _REACH + down, across : width - 2 * _REACH + across].ravel()
        for down in side
        for across in side
    ]
    middle = len(views) // 2
    centre = views.pop(middle)
    around = np.stack(views)
    around -= centre.mean()
    target = centre - centre.mean()
    products = around @ around.T
    ridge = _RIDGE * (np.trace(products) / len(products) + target.size)
    weights = np.linalg.solve(products + ridge * np.eye(len(products)), around @ target)
    left = target - weights @ around
    spread = left.std() + 1e-2
    kurtosis = float(np.mean((left - left.mean()) ** 4)) / spread**4
    return np.concatenate([weights, [np.log(spread), np.log(kurtosis + 1e-2)]])


def _halved(luma: Floats) -> Floats:
    height, width = (side // 2 * 2 for side in luma.shape)
    return np.asarray(luma[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)))
