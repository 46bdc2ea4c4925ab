"""The closed-form half of the autoencoder: the principal components of small pictures' patches.

A learned encoder costs hours that a bare machine lacks. The best linear one is known at once (Pearson 1901): of every
8 × 8 patch of a 64-px picture it keeps the 32 directions in which photographs differ most. Latents are scaled with the
square root of each direction's spread, between raw and white, so that denoising goes from coarse to fine, and below the
spread of the noise, so that the coarse is not decided in the first few steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from filigrane.core.values import Pixels

SMALL_PX = 64
PATCH_PX = 8
GRID = SMALL_PX // PATCH_PX
LATENT_CHANNELS = 32
DEVIATION = 0.5
"""Of the latents, about, over all channels."""


@dataclass(frozen=True, slots=True)
class Basis:
    """``mean`` (192,), ``vectors`` (192, 32) and ``spread`` (32,), as float32 tensors; patches are (row, column, RGB).

    ``halves`` (48, 32) are the components of 4 × 4 patches that ``vectors`` are composed of.
    """

    mean: torch.Tensor
    vectors: torch.Tensor
    spread: torch.Tensor
    halves: torch.Tensor

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """Latents (n, 32, h / 8, w / 8) of small pictures (n, 3, h, w) in 0–1."""
        latents = (_patches(pictures) - self.mean) @ self.vectors / self.spread
        shape = (len(pictures), pictures.shape[2] // PATCH_PX, pictures.shape[3] // PATCH_PX, LATENT_CHANNELS)
        return latents.reshape(shape).permute(0, 3, 1, 2)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """The linear small pictures (n, 3, h, w) of latents, in about 0–1."""
        count, _, rows, columns = latents.shape
        patches = (latents.permute(0, 2, 3, 1) * self.spread) @ self.vectors.T + self.mean
        cut = patches.reshape(count, rows, columns, PATCH_PX, PATCH_PX, 3).permute(0, 5, 1, 3, 2, 4)
        return cut.reshape(count, 3, rows * PATCH_PX, columns * PATCH_PX)

    def save(self, path: Path) -> None:
        """Write as safetensors."""
        tensors = {"mean": self.mean, "vectors": self.vectors, "spread": self.spread, "halves": self.halves}
        save_file({name: value.contiguous() for name, value in tensors.items()}, path)


def load(path: Path) -> Basis:
    """Read what ``Basis.save`` wrote."""
    return Basis(**load_file(path))


def _patches(pictures: torch.Tensor) -> torch.Tensor:
    count, _, height, width = pictures.shape
    cut = pictures.reshape(count, 3, height // PATCH_PX, PATCH_PX, width // PATCH_PX, PATCH_PX)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(-1, PATCH_PX * PATCH_PX * 3)


def small(pixels: Pixels) -> Pixels:
    """Pictures uint8 (n, 256, 256, 3) averaged to (n, 64, 64, 3).

    >>> small(np.full((1, 256, 256, 3), 9, np.uint8)).shape
    (1, 64, 64, 3)
    """
    count, size = pixels.shape[:2]
    step = size // SMALL_PX
    sums = pixels.reshape(count, SMALL_PX, step, SMALL_PX, step, 3).astype(np.uint32).sum((2, 4))
    averaged: Pixels = ((sums + step * step // 2) // (step * step)).astype(np.uint8)
    return averaged


def fit(pictures: Pixels) -> Basis:
    """The basis of ``pictures`` uint8 (n, 64, 64, 3): deterministic, seconds for thousands."""
    rows = _patches(torch.from_numpy(pictures).permute(0, 3, 1, 2).double().div(255)).numpy()
    mean = rows.mean(0)
    quarters = (rows - mean).reshape(-1, 2, 4, 2, 4, 3).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 48)
    halves = _leading(quarters.T @ quarters / len(quarters))
    whole = _leading(np.cov(rows.T))
    parts = whole.reshape(2, 4, 2, 4, 3, -1).transpose(0, 2, 1, 3, 4, 5).reshape(4, 48, -1)
    kept = np.einsum("ij,kj,qkc->qic", halves, halves, parts)
    vectors = kept.reshape(2, 2, 4, 4, 3, -1).transpose(0, 2, 1, 3, 4, 5).reshape(192, -1)
    deviation = ((rows - mean) @ vectors).std(0)
    spread = np.sqrt(deviation) * np.sqrt(np.mean(deviation)) / DEVIATION
    return Basis(*(torch.from_numpy(part).float() for part in (mean, vectors, spread, halves)))


def _leading(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The eigenvectors of the largest eigenvalues, as columns, their first element positive."""
    _, vectors = np.linalg.eigh(covariance)
    leading = vectors[:, ::-1][:, :LATENT_CHANNELS]
    signed: NDArray[np.float64] = leading * np.where(leading[0] < 0, -1.0, 1.0)
    return signed
