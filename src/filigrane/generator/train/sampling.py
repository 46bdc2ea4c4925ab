"""Many pictures at once, for sheets and measurements; one at a time is ``filigrane.generator.models.builtin``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import CLIPTokenizer

from filigrane.core.values import Pixels
from filigrane.generator.train.assemble import solver
from filigrane.generator.train.basis import GRID, LATENT_CHANNELS, Basis
from filigrane.generator.train.denoiser import Pair, tokens_of

STEPS = 16
GUIDANCE = 3.0
SAMPLE_PROMPTS = (
    "a red apple", "green pears", "yellow lemons", "a blue t-shirt", "a red t-shirt", "a pair of black shoes",
    "a pair of blue pants", "a red dress", "oranges", "bananas", "a sunflower", "a white daisy", "a red rose",
    "a 3D emoji of a rocket", "a 3D emoji of a cat", "a 3D emoji of a red heart", "a 3D emoji of a lemon",
    "a 3D emoji of a red car", "a banana", "a cat",
)  # fmt: skip
"""What the grids of a training run show."""


@torch.no_grad()
def latents_of(
    pair: Pair, tokenizer: CLIPTokenizer, prompts: Sequence[str], seeds: Sequence[int], *, guidance: float = GUIDANCE
) -> torch.Tensor:
    """Latents (n, 32, 8, 8), one for each prompt and its seed: the same noise as the generator's for that seed."""
    scheduler = solver()
    scheduler.set_timesteps(STEPS)
    shape = (LATENT_CHANNELS, GRID, GRID)
    noise = np.stack([np.random.default_rng(seed).standard_normal(shape) for seed in seeds])
    latents = torch.from_numpy(noise).float()
    hidden = pair.words(tokens_of([""] * len(seeds) + list(prompts), tokenizer)).last_hidden_state
    for step in scheduler.timesteps:
        free, bound = pair.unet(torch.cat([latents, latents]), step, hidden).sample.chunk(2)
        latents = scheduler.step(free + guidance * (bound - free), step, latents).prev_sample
    return latents


def to_pixels(pictures: torch.Tensor) -> Pixels:
    """Pictures (n, 3, h, w) in 0–1 as uint8 (n, h, w, 3).

    >>> to_pixels(torch.full((1, 3, 1, 1), 0.5)).ravel().tolist()
    [128, 128, 128]
    """
    pixels: Pixels = pictures.clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return pixels


def drawn_small(basis: Basis, latents: torch.Tensor) -> Pixels:
    """The linear 64-px pictures of latents: quick, and there before any decoder is trained."""
    return to_pixels(basis.decode(latents))


@torch.no_grad()
def drawn(autoencoder: Any, latents: torch.Tensor, *, batch: int = 8) -> Pixels:
    """The decoder's 256-px pictures of latents."""
    scaled = latents / autoencoder.config.scaling_factor
    parts = [to_pixels(autoencoder.decode(part).sample * 0.5 + 0.5) for part in scaled.split(batch)]
    pixels: Pixels = np.concatenate(parts)
    return pixels


def tiled(pictures: Pixels, columns: int) -> Pixels:
    """Pictures (n, h, w, 3) row by row in one, the last row filled up with white.

    >>> tiled(np.zeros((3, 2, 2, 3), np.uint8), 2).shape
    (4, 4, 3)
    """
    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    filled = np.full((rows * columns, height, width, 3), 255, np.uint8)
    filled[:count] = pictures
    across: Pixels = filled.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return across.reshape(rows * height, columns * width, 3)
