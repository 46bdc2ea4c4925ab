"""The autoencoder of the built-in generator: 256-px pictures to 8 × 8 latents of 32 numbers, and back.

Architecture: diffusers' AutoencoderTiny (after TAESD), without normalisation layers. Its encoder is the closed form of
``basis``, written into strided convolutions, so latents exist before any training. Only the decoder learns: first its
inner levels on 64-px pictures, then, from layers set up to repeat pixels, the outer two at full size. It learns from
latents with a little noise, so it also mends what the denoiser leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nf
from torch import nn

from filigrane.core.values import Pixels
from filigrane.generator.data import Pack
from filigrane.generator.train.basis import LATENT_CHANNELS, Basis
from filigrane.generator.train.libraries import AutoencoderTiny
from filigrane.generator.train.loop import Plan, Run

ENCODER_WIDTH = 32
DECODER_WIDTH = 48
DECODER_BLOCKS = (3, 3, 2, 0, 0, 0)
OUTER = 2
"""Levels of scale between the small pictures of the basis and the full ones."""
SCALE = 2.0
"""Latents of the denoiser over those of the autoencoder, whose decoder bounds its input to ±3."""
NOISE = 0.1
"""Most noise, in the denoiser's units, that the decoder learns to mend."""
CROP_PX = 128


def new_autoencoder(basis: Basis) -> Any:
    """The shipped layout, with the encoder of ``basis`` and an untrained decoder."""
    levels = len(DECODER_BLOCKS)
    model = AutoencoderTiny(
        encoder_block_out_channels=(ENCODER_WIDTH,) * levels,
        decoder_block_out_channels=(DECODER_WIDTH,) * levels,
        num_encoder_blocks=(0,) * levels,
        num_decoder_blocks=DECODER_BLOCKS,
        latent_channels=LATENT_CHANNELS,
        scaling_factor=SCALE,
    )
    write_encoder(model, basis)
    with torch.no_grad():
        model.decoder.layers[0].weight.mul_(SCALE)
        for module in model.decoder.modules():
            if isinstance(module, nn.Sequential) and module is not model.decoder.layers:
                last: Any = list(module.children())[-1]
                last.weight.mul_(0.1)
    return model


@torch.no_grad()
def write_encoder(model: Any, basis: Basis) -> None:
    """Write ``basis`` into the strided convolutions: average twice, gather 2 × 2, then twice project a 2 × 2 gathering.

    A kernel's rows and columns 1 and 2 lie on the two pixels that a stride of 2 steps over; those of 0 stay empty.
    """
    first, half, quarter, gather, halves, whole, last = model.encoder.layers
    for layer in model.encoder.layers:
        layer.weight.zero_()
    for channel in range(3):
        first.weight[channel, channel, 1, 1] = 1
        half.weight[channel, channel, 1:, 1:] = 0.25
        quarter.weight[channel, channel, 1:, 1:] = 0.25
    first.bias.zero_()
    for place, (row, column) in enumerate(np.ndindex(2, 2)):
        for channel in range(3):
            gather.weight[3 * place + channel, channel, 1 + row, 1 + column] = 1
    inside = basis.halves.reshape(2, 2, 2, 2, 3, LATENT_CHANNELS)
    outside = basis.vectors.reshape(2, 2, 2, 2, 2, 2, 3, LATENT_CHANNELS)
    for row, column in np.ndindex(2, 2):
        part = inside[row, :, column].reshape(12, LATENT_CHANNELS)
        halves.weight[:, :12, 1 + row, 1 + column] = part.T
        block = outside[row, :, :, column].reshape(48, LATENT_CHANNELS)
        whole.weight[:, :, 1 + row, 1 + column] = (basis.halves.T @ block).T
    scale = 1 / (basis.spread * SCALE)
    last.weight[:, :, 1, 1] = torch.diag(scale)
    last.bias.copy_(-(basis.mean @ basis.vectors) * scale)


class Inner(nn.Module):
    """The decoder up to 64 px, with a pointwise way out."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        layers = list(model.decoder.layers)
        self.up = nn.Sequential(*layers[: len(layers) - 2 * OUTER - 1])
        self.head = nn.Conv2d(DECODER_WIDTH, 3, 1)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures (n, 3, 64, 64) in about 0–1 of latents (n, 32, 8, 8) in the denoiser's units."""
        return self.head(self.up(torch.tanh(latents / SCALE / 3) * 3))  # type: ignore[no-any-return]


@torch.no_grad()
def unfold(model: Any, inner: Inner) -> None:
    """Take over ``inner`` and set the outer layers to repeat each of its pixels 4 × 4 times."""
    layers = model.decoder.layers
    for own, trained in zip(layers, inner.up, strict=False):
        own.load_state_dict(trained.state_dict())
    *_, up_first, _scale, up_second, out = layers
    for layer in (up_first, up_second):
        layer.weight.zero_()
        layer.weight[range(DECODER_WIDTH), range(DECODER_WIDTH), 1, 1] = 1
    out.weight.zero_()
    out.weight[:, :, 1, 1] = inner.head.weight[:, :, 0, 0]
    out.bias.copy_(inner.head.bias)


def to_tensor(pixels: Sequence[Pixels] | Pixels) -> torch.Tensor:
    """uint8 (n, h, w, 3) as float32 (n, 3, h, w) in 0–1, channels last."""
    batch = torch.from_numpy(np.ascontiguousarray(np.stack(list(pixels)))).permute(0, 3, 1, 2)
    return batch.float().div(255).contiguous(memory_format=torch.channels_last)


def likeness_loss(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of pixels, of their steps across and down, and of the coarser picture."""
    total = (made - wanted).abs().mean()
    for axis in (2, 3):
        total = total + (made.diff(dim=axis) - wanted.diff(dim=axis)).abs().mean()
    return total + nf.avg_pool2d(made - wanted, 4).abs().mean()


def crops(
    pixels: Pixels, chosen: Sequence[int], rng: np.random.Generator, *, size_px: int, grid_px: int
) -> torch.Tensor:
    """Random crops in steps of ``grid_px``, half of them mirrored, in 0–1."""
    places = (pixels.shape[1] - size_px) // grid_px + 1
    cut = []
    for index in chosen:
        top, left = rng.integers(0, places, 2) * grid_px
        crop = pixels[index, top : top + size_px, left : left + size_px]
        cut.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
    return to_tensor(cut)


def _noisy(latents: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    strength = torch.from_numpy(rng.uniform(0, NOISE, (len(latents), 1, 1, 1))).float()
    return latents + strength * torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32))


def train_inner(pictures: Pixels, seen: Sequence[int], basis: Basis, plan: Plan, folder: Path) -> Inner:
    """Train the inner levels on the ``seen`` ones of ``pictures`` (n, 64, 64, 3); resumes what ``folder`` holds."""
    torch.manual_seed(plan.seed)
    model = Inner(new_autoencoder(basis)).to(memory_format=torch.channels_last)
    run = Run(model, plan, folder)
    run.resume()

    def loss(rng: np.random.Generator) -> torch.Tensor:
        wanted = crops(pictures, rng.choice(seen, plan.batch).tolist(), rng, size_px=64, grid_px=1)
        latents = _noisy(basis.encode(wanted), rng).contiguous(memory_format=torch.channels_last)
        with torch.autocast(torch.device(plan.device).type, torch.bfloat16, enabled=plan.half):
            made = model(latents.to(plan.device))
        return likeness_loss(made.float(), wanted.to(plan.device))

    run.go(loss, lambda: None)
    model.load_state_dict(run.average.state)
    return model.cpu()


def train_whole(model: Any, pack: Pack, basis: Basis, plan: Plan, folder: Path) -> Any:
    """Train every level of the decoder on crops at full size, from what ``folder`` holds or else from ``model``."""
    torch.manual_seed(plan.seed)
    model.encoder.requires_grad_(False)
    model = model.to(memory_format=torch.channels_last)
    run = Run(model, plan, folder)
    run.resume()
    seen = pack.indices(held_out=False)

    def loss(rng: np.random.Generator) -> torch.Tensor:
        chosen = rng.choice(seen, plan.batch).tolist()
        wanted = crops(pack.pixels, chosen, rng, size_px=CROP_PX, grid_px=32)
        latents = _noisy(basis.encode(nf.avg_pool2d(wanted, 4)), rng) / SCALE
        with torch.autocast(torch.device(plan.device).type, torch.bfloat16, enabled=plan.half):
            made = model.decoder(latents.contiguous(memory_format=torch.channels_last).to(plan.device))
        return likeness_loss(made.float() * 0.5 + 0.5, wanted.to(plan.device))

    run.go(loss, lambda: None)
    model.load_state_dict(run.average.state)
    return model.cpu()
