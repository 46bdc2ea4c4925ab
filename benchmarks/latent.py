"""The mark in the noise: found after attacks, beside the mark in the pixels; false accepts; diversity.

Two models are measured: the built-in one, and the same network asked along straight paths (flow matching).
``FILIGRANE_BENCH_COUNT`` sets how many pictures (100 by default). A row says in how many pictures each layer answers
with a false-positive rate of at most one in a million, and in how many the number in the noise is read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import diffusers
import numpy as np
import torch

from filigrane.core.values import Pixels
from filigrane.generator.base import Recipe
from filigrane.generator.latent import inversion
from filigrane.generator.latent.mark import ACCEPT, number_for, read_any
from filigrane.generator.models import builtin
from filigrane.generator.models.stable_diffusion import StableDiffusion
from filigrane.generator.task import LatentPlan, Task
from filigrane.perturb.table import row
from filigrane.watermark import base
from filigrane.watermark.base import Watermarker
from filigrane.watermark.keys import KeyRing

KEY = bytes(range(32))
FALSE_ACCEPT_TRIALS = 2000
PROMPTS = (
    "a red apple",
    "green pears",
    "a blue t-shirt",
    "a red dress",
    "a pair of black shoes",
    "a 3D emoji of a rocket",
    "a 3D emoji of a red heart",
    "a sunflower",
    "oranges",
    "a cat",
)
ATTACKS = (
    "none",
    "jpeg-75",
    "jpeg-50",
    "jpeg-30",
    "webp-75",
    "resize_back-0.5",
    "gaussian_noise-10",
    "crop-0.9",
    "repost-60",
)
Attack = Callable[[Pixels, int], Pixels]


class StraightPaths(torch.nn.Module):
    """The denoiser of a diffusion model as the velocity of flow matching, which is another reading of the same answer.

    At noise level s a flow has x = (1 - s) clean + s noise; scaled to unit energy that is the diffusion model's own
    input at the time of the same ratio of noise to clean, and the velocity is (x - clean) / s.
    """

    def __init__(self, denoiser: Any, kept: torch.Tensor) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.config, self.dtype, self.device = denoiser.config, denoiser.dtype, denoiser.device
        self._kept = kept.flip(0).numpy()

    def forward(self, sample: torch.Tensor, time: torch.Tensor, **conditions: Any) -> tuple[torch.Tensor]:
        """The velocity at ``time``, which is a thousand times the level of noise."""
        level = float(time) / 1000
        scale = float(np.hypot(1 - level, level))
        place = len(self._kept) - 1 - np.interp(((1 - level) / scale) ** 2, self._kept, np.arange(len(self._kept)))
        clean = self.denoiser(sample / scale, torch.tensor(place, device=sample.device), **conditions)[0]
        return ((sample - clean) / level,)


def flow_model() -> StableDiffusion:
    """The built-in model as one of flow matching."""
    model = builtin.build()
    pipeline, forward = model.pipeline, model.pipeline.scheduler
    if forward.config.prediction_type != "sample":
        raise SystemExit("This benchmark expects a built-in model that predicts the clean picture.")
    pipeline.unet = StraightPaths(pipeline.unet, forward.alphas_cumprod)
    solver: Any = diffusers.DPMSolverMultistepScheduler
    pipeline.scheduler = solver(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=1.0)
    return model


def paint(model: StableDiffusion, number: int, *, marked: bool) -> Pixels:
    """Picture ``number``, carrying the number that `latent_number` says, or no mark."""
    card = builtin.card()
    recipe = Recipe("builtin", PROMPTS[number % len(PROMPTS)], seed=number, steps=card.steps, guidance=card.guidance)
    return model.paint(Task(recipe, latent=LatentPlan(KEY, latent_number(number)) if marked else None)).pixels


def latent_number(number: int) -> int:
    """What the noise of picture ``number`` carries."""
    return number_for(KEY, number, PROMPTS[number % len(PROMPTS)])


def attacks(model: StableDiffusion) -> Iterator[tuple[str, Attack]]:
    """Those of the yardstick, and regeneration by autoencoder and by diffusion."""
    for name in ATTACKS:
        yield name, row(name).apply
    yield "autoencoder", lambda pixels, number: _coded(model, pixels)
    yield "purify-0.2", lambda pixels, number: _purified(model, pixels, number, 0.2)


def _coded(model: StableDiffusion, pixels: Pixels) -> Pixels:
    with torch.inference_mode():
        return np.asarray(inversion.decode(model.pipeline, inversion.encode(model.pipeline, pixels)).convert("RGB"))


def _purified(model: StableDiffusion, pixels: Pixels, number: int, strength: float) -> Pixels:
    return model.paint(Task(Recipe("builtin", "", seed=number, guidance=1.0), start=pixels, strength=strength)).pixels


def measure(model: StableDiffusion, pixel: Watermarker, count: int) -> None:
    """Print the rows of one model."""
    start = time.perf_counter()
    pictures = [paint(model, number, marked=True) for number in range(count)]
    print(f"{count} pictures, {(time.perf_counter() - start) / count:.2f} s each; found of {count}:", flush=True)
    both = [pixel.embed(picture, number) for number, picture in enumerate(pictures)]
    for name, attack in attacks(model):
        latent = read = spread = either = 0
        for number, picture in enumerate(both):
            seen = attack(picture, number)
            reading = model.read(seen, (KEY,))
            own = pixel.read(seen).payload == number
            latent, read = latent + reading.found, read + (reading.number == latent_number(number))
            spread, either = spread + own, either + (own or reading.found)
        print(f"{name:18} latent {latent:4} (number {read:4})  pixel {spread:4}  either {either:4}", flush=True)
    for place, prompt in enumerate(PROMPTS):
        found = sum(model.read(picture, (KEY,)).found for picture in pictures[place :: len(PROMPTS)])
        print(f"clean, {prompt:26} latent {found} of {len(pictures[place :: len(PROMPTS)])}", flush=True)
    plain = [paint(model, number, marked=False) for number in range(count)]
    _false_accepts(model, plain)
    for name, group in (("marked", pictures), ("unmarked", plain)):
        print(f"diversity {name}: {_spread(group):.2f} grey levels between pictures of one prompt", flush=True)


def _false_accepts(model: StableDiffusion, plain: list[Pixels]) -> None:
    keys = tuple(bytes([place]) * 32 for place in range(-(-FALSE_ACCEPT_TRIALS // len(plain))))
    found, lowest = 0, 1.0
    for picture in plain:
        noise = model.noise(picture)
        values = [read_any((key,), noise).p_value for key in keys]
        found, lowest = found + sum(value <= ACCEPT for value in values), min(lowest, *values)
    trials = len(plain) * len(keys)
    print(f"false accepts {found} of {trials} (unmarked picture, key); lowest p-value {lowest:.2g}", flush=True)


def _spread(pictures: list[Pixels]) -> float:
    """Mean absolute difference between any two pictures of the same prompt."""
    groups = [[picture.astype(np.float32) for picture in pictures[at :: len(PROMPTS)]] for at in range(len(PROMPTS))]
    return float(np.mean([np.abs(one - other).mean() for group in groups for one, other in combinations(group, 2)]))


def main() -> None:
    """Print the tables."""
    count, pixel = int(os.environ.get("FILIGRANE_BENCH_COUNT", "100")), base.load("spread", keys=KeyRing())
    for name, model in (("built-in model", builtin.build()), ("flow matching", flow_model())):
        print(f"-- {name}")
        measure(model, pixel, count)
