"""The denoiser of the built-in generator: a small UNet on 8 × 8 latents, led by words, trained with its text encoder.

Objective: the clean latent itself (as Li & He 2025 advise for patches of many numbers: half-trained, it blurs where
other targets leave noise) on the cosine schedule (Nichol & Dhariwal 2021), captions dropped now and then for
classifier-free guidance (Ho & Salimans 2022). The words reach every layer through the time embedding (diffusers'
``addition_embed_type="text"``), which learns faster than attention alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nf
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from filigrane.core.values import Pixels
from filigrane.generator.data import Original, Pack
from filigrane.generator.train.basis import GRID, LATENT_CHANNELS, Basis
from filigrane.generator.train.libraries import DDPMScheduler, UNet2DConditionModel
from filigrane.generator.train.loop import Plan, Run
from filigrane.generator.train.text import TOKENS, WIDTH, new_text_encoder
from filigrane.generator.train.vocabulary import caption, known_nouns

SHARES = {"emoji": 0.2, "produce": 0.22, "fruit": 0.2, "clothing": 0.26, "flower": 0.12}
"""How often each kind is drawn, whatever its number of pictures."""

WIDTHS = (128, 256)
CAPTION_DROPPED = 0.12
MOST_WEIGHT = 2.0
"""Bound on the weight of errors at little noise."""


def new_unet() -> Any:
    """An untrained UNet of the shipped layout."""
    levels = len(WIDTHS)
    return UNet2DConditionModel(
        sample_size=GRID,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=WIDTHS,
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * levels,
        up_block_types=("UpBlock2D",) * levels,
        mid_block_type="UNetMidBlock2DCrossAttn",
        cross_attention_dim=WIDTH,
        attention_head_dim=8,
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )


def noise_schedule() -> Any:
    """The schedule that training and sampling share."""
    return DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2", prediction_type="sample")


class Pair(nn.Module):
    """The two networks that are trained together."""

    def __init__(self, unet: Any, words: CLIPTextModel) -> None:
        super().__init__()
        self.unet, self.words = unet, words

    def forward(self, noisy: torch.Tensor, times: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Clean latents (n, 32, 8, 8) guessed from noisy ones at ``times`` (n,) under ``tokens`` (n, 24)."""
        clean: torch.Tensor = self.unet(noisy, times, self.words(tokens).last_hidden_state).sample
        return clean


def moved(pictures: torch.Tensor, kinds: Sequence[str], rng: np.random.Generator) -> torch.Tensor:
    """Each picture (n, 3, 64, 64) shifted, zoomed and perhaps mirrored a little; what enters at the rim repeats it."""
    count = len(kinds)
    zoom = rng.uniform(0.86, 1.0, count)
    zoom[[kind == "emoji" for kind in kinds]] += 0.08
    slack = np.clip(1 - zoom, 0.04, None)
    mirror = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    theta = np.zeros((count, 2, 3))
    theta[:, 0, 0], theta[:, 1, 1] = zoom * mirror, zoom
    theta[:, :, 2] = rng.uniform(-1, 1, (count, 2)) * slack[:, None]
    grid = nf.affine_grid(torch.from_numpy(theta).float(), list(pictures.shape), align_corners=False)
    return nf.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def _key(item: Original) -> tuple[str, str]:
    return item.subject.kind, item.subject.noun


def typical(pictures: Pixels, items: Sequence[Original], seen: Sequence[int]) -> list[int]:
    """Of the photos of each noun, the half nearest to their mean in shape: a small model makes little of the rest."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index in seen:
        groups.setdefault(_key(items[index]), []).append(index)
    kept = []
    for (kind, _), members in groups.items():
        if kind == "emoji":
            kept += members
            continue
        grey = pictures[members].mean(-1).reshape(len(members), 16, 4, 16, 4).mean((2, 4)).reshape(len(members), -1)
        shape = (grey - grey.mean(1, keepdims=True)) / (grey.std(1, keepdims=True) + 8)
        distance = np.minimum(np.square(shape - shape.mean(0)).sum(1), np.square(-shape - shape.mean(0)).sum(1))
        kept += [members[place] for place in np.argsort(distance, kind="stable")[: (len(members) + 1) // 2]]
    return sorted(kept)


@dataclass(frozen=True, slots=True)
class Material:
    """What batches are drawn from: 64-px pictures in memory, what each shows, and how to make latents and tokens."""

    pictures: Pixels
    items: tuple[Original, ...]
    basis: Basis
    tokenizer: CLIPTokenizer

    @classmethod
    def of(cls, pack: Pack, pictures: Pixels, basis: Basis, tokenizer: CLIPTokenizer) -> Material:
        """The training part of a pack, its pictures averaged to 64 px; of photos the more typical half of each noun."""
        known = known_nouns()
        seen = [index for index in pack.indices(held_out=False) if _key(pack.items[index]) in known]
        seen = typical(pictures, pack.items, seen)
        return cls(pictures[seen], tuple(pack.items[index] for index in seen), basis, tokenizer)

    def chances(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Chance of each picture: its kind's share, and within it the root of its subject's number of pictures."""
        counts: dict[tuple[str, str, str], int] = {}
        keys = [(item.subject.kind, item.subject.noun, item.subject.colour) for item in self.items]
        for key in keys:
            counts[key] = counts.get(key, 0) + 1
        weights = np.array([counts[key] ** -0.5 for key in keys])
        kinds = np.array([key[0] for key in keys])
        for kind, share in SHARES.items():
            mask = kinds == kind
            if mask.any():
                weights[mask] *= share / weights[mask].sum()
        chances: np.ndarray[tuple[int], np.dtype[np.float64]] = weights / weights.sum()
        return chances

    def draw(
        self, count: int, chances: np.ndarray[tuple[int], np.dtype[np.float64]], rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents (n, 32, 8, 8) and tokens (n, 24) of a random batch."""
        chosen = rng.choice(len(self.items), count, p=chances)
        subjects = [self.items[index].subject for index in chosen]
        pictures = torch.from_numpy(self.pictures[chosen]).permute(0, 3, 1, 2).float().div(255)
        latents = self.basis.encode(moved(pictures, [subject.kind for subject in subjects], rng))
        words = ["" if rng.random() < CAPTION_DROPPED else caption(subject, rng) for subject in subjects]
        return latents, tokens_of(words, self.tokenizer)


def tokens_of(prompts: Sequence[str], tokenizer: CLIPTokenizer) -> torch.Tensor:
    """Token ids (n, 24), padded or cut."""
    ids = tokenizer(list(prompts), padding="max_length", max_length=TOKENS, truncation=True).input_ids
    return torch.tensor(ids, dtype=torch.long)


def train(
    material: Material, plan: Plan, folder: Path, *, watch: Callable[[Pair], None], start: Pair | None = None
) -> Pair:
    """Train UNet and text encoder together and return their average.

    Goes on from the checkpoint in ``folder``; where there is none, from ``start`` (shipped weights), or from nothing.
    ``watch`` gets the averaged pair at every save.
    """
    torch.manual_seed(plan.seed)
    pair = start or Pair(new_unet(), new_text_encoder(material.tokenizer))
    pair = pair.train().to(memory_format=torch.channels_last)
    run = Run(pair, plan, folder)
    run.resume()
    shown = copy.deepcopy(pair).cpu().eval()
    schedule, chances = noise_schedule(), material.chances()
    weights: torch.Tensor = (1 / (1 - schedule.alphas_cumprod)).clamp(max=MOST_WEIGHT).to(plan.device)

    def loss(rng: np.random.Generator) -> torch.Tensor:
        latents, tokens = (part.to(plan.device) for part in material.draw(plan.batch, chances, rng))
        times = torch.from_numpy(rng.integers(0, len(weights), plan.batch)).to(plan.device)
        noise = torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32)).to(plan.device)
        noisy = schedule.add_noise(latents, noise, times).contiguous(memory_format=torch.channels_last)
        with torch.autocast(torch.device(plan.device).type, torch.bfloat16, enabled=plan.half):
            made: torch.Tensor = pair(noisy, times, tokens)
        error = (made.float() - latents).square().mean((1, 2, 3))
        weighted: torch.Tensor = error * weights[times]
        return weighted.mean()

    def averaged() -> None:
        shown.load_state_dict(run.average.state)
        watch(shown)

    run.go(loss, averaged)
    shown.load_state_dict(run.average.state)
    return shown
