"""Hand-made statistics of the finest detail: what cameras, codecs and generators leave in neighbouring pixels.

Co-occurrences of truncated high-pass residuals follow the spatial rich model (Fridrich and Kodovsky, 2012), the radial
spectrum Durall et al. (CVPR 2020), block-DCT energies the usual JPEG analysis. Each number has a meaning of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, fft2
from scipy.ndimage import convolve

from filigrane.core.values import Pixels

Floats = NDArray[np.float64]
_KV = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
_STEP = 1.0
_LEVELS = 2
_RINGS = 32
NUMBERS = 505
"""What describes a crop."""
GROUPS: Mapping[str, slice] = MappingProxyType(
    {
        "neighbouring residuals": slice(0, 300),
        "spectrum": slice(300, 333),
        "blocks of 8": slice(333, 412),
        "colours": slice(412, 421),
        "repetition": slice(421, 501),
        "flatness": slice(501, 505),
    }
)
"""Which of the numbers tell of which kind of trace."""


def statistics(pixels: Pixels) -> NDArray[np.float32]:
    """`NUMBERS` float32 that describe uint8 (H, W, 3) of at least 48 pixels a side."""
    colours = pixels.astype(np.float64)
    luma = colours @ np.array([0.299, 0.587, 0.114])
    parts = [_cooccurrences(luma), _spectrum(luma), _blocks(luma), _correlations(colours, luma)]
    return np.concatenate(parts).astype(np.float32)


def _residuals(luma: Floats) -> tuple[Floats, ...]:
    across, down = np.diff(luma, axis=1), np.diff(luma, axis=0)
    return (
        across,
        down,
        np.diff(across, axis=1) / 2,
        np.diff(down, axis=0) / 2,
        np.diff(across, axis=0) / 2,
        convolve(luma, _KV, mode="mirror"),
    )


def _cooccurrences(luma: Floats) -> Floats:
    side = 2 * _LEVELS + 1
    counts = []
    for plane in _residuals(luma):
        steps = np.clip(np.rint(plane / _STEP), -_LEVELS, _LEVELS).astype(np.int64) + _LEVELS
        for first, second in ((steps[:, :-1], steps[:, 1:]), (steps[:-1], steps[1:])):
            pairs = np.bincount((first * side + second).ravel(), minlength=side * side)
            counts.append(np.sqrt(pairs / pairs.sum()))
    return np.concatenate(counts)


def _spectrum(luma: Floats) -> Floats:
    fine = luma - convolve(luma, np.outer([1, 2, 1], [1, 2, 1]) / 16, mode="mirror")
    window = np.outer(np.hanning(fine.shape[0]), np.hanning(fine.shape[1]))
    power = np.abs(fft2(fine * window)) ** 2
    down, across = np.fft.fftfreq(fine.shape[0])[:, None], np.fft.fftfreq(fine.shape[1])[None, :]
    ring = np.minimum((np.hypot(down, across) * 2 * _RINGS / np.sqrt(2)).astype(np.int64), _RINGS - 1).ravel()
    total = np.bincount(ring, power.ravel(), _RINGS) / np.maximum(np.bincount(ring, minlength=_RINGS), 1)
    levels = np.log(total + 1e-3)
    return np.concatenate([levels - levels.mean(), [levels.mean()]])


def _blocks(luma: Floats) -> Floats:
    height, width = (side // 8 * 8 for side in luma.shape)
    blocks = luma[:height, :width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)
    energies = np.log(np.mean(np.abs(dctn(blocks, axes=(2, 3), norm="ortho")), axis=(0, 1)) + 1e-2).ravel()[1:]
    across, down = np.abs(np.diff(luma, axis=1)).mean(axis=0), np.abs(np.diff(luma, axis=0)).mean(axis=1)
    phases = [np.log(np.array([lines[phase::8].mean() for phase in range(8)]) + 1e-2) for lines in (across, down)]
    return np.concatenate([energies, *(np.sort(phase - phase.mean()) for phase in phases)])


def _correlations(colours: Floats, luma: Floats) -> Floats:
    fine = np.stack([convolve(colours[..., index], _KV, mode="mirror") for index in range(3)])
    flat = fine.reshape(3, -1)
    spread = flat.std(axis=1) + 1e-3
    between = [float(np.mean(flat[a] * flat[b]) / (spread[a] * spread[b])) for a, b in ((0, 1), (0, 2), (1, 2))]
    plane = luma - convolve(luma, np.outer([1, 2, 1], [1, 2, 1]) / 16, mode="mirror")
    power = float(np.mean(plane**2)) + 1e-3
    height, width = plane.shape
    lags = [
        float(np.mean(plane[: height - dy, : width - dx] * plane[dy:, dx:])) / power
        for dy in range(9)
        for dx in range(9)
        if dy or dx
    ]
    kurtosis = np.mean(flat**4, axis=1) / spread**4
    smooth = [float(np.mean(np.abs(fine) < limit)) for limit in (0.25, 0.5, 1.0, 2.0)]
    return np.concatenate([between, np.log(spread), np.log(kurtosis + 1e-3), lags, smooth])
