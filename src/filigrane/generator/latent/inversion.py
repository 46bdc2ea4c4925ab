"""From a picture back to the noise it grew from: the model's own pipeline, run with its sampler reversed.

The ordinary differential equation behind a sampler is followed from the picture to the noise: the DDIM steps of
Song et al. ("Denoising Diffusion Implicit Models", 2021) for models of noise or velocity, Euler steps for flow
matching. An empty prompt and no guidance are enough, because the signs of the noise need to be right only more often
than not. For the same reason a few steps will do, each asking the model once, for the level of noise that the step
leads to.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from PIL import Image

from filigrane.core.values import Pixels
from filigrane.generator.latent.spreading import Values

STEPS = 6


class ReverseSampler:
    """In the place of a pipeline's scheduler, leads a latent to the noise; serves one call.

    ``forward`` is the scheduler that the model is sampled with, ``flow`` whether it is one of flow matching.
    """

    order = 1
    init_noise_sigma = 1.0

    def __init__(self, forward: Any, *, flow: bool) -> None:
        self.config = forward.config
        self.timesteps = torch.empty(0)
        self._forward = forward
        self._flow = flow
        self._prediction = str(forward.config.get("prediction_type", "epsilon"))
        self._levels: list[tuple[float, float]] = []
        self._place = 0

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        sigmas: Sequence[float] | None = None,
        mu: float | None = None,
    ) -> None:
        """Lay out the way from the picture (first) to the noise (last)."""
        if self._flow:
            times, levels = self._flow_levels(num_inference_steps, sigmas, mu)
        else:
            times, levels = self._diffusion_levels(num_inference_steps or STEPS)
        self._levels = levels
        self.timesteps = times.to(device)
        self._place = 0

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Pipelines announce where they begin; here it is always the picture."""

    def scale_model_input(self, sample: torch.Tensor, timestep: Any = None) -> torch.Tensor:
        """The sample itself: latents are kept at the scale that models take."""
        return sample

    def step(self, output: torch.Tensor, timestep: Any, sample: torch.Tensor, **_: Any) -> tuple[torch.Tensor]:
        """The latent at the next level of noise."""
        (alpha, sigma), (next_alpha, next_sigma) = self._levels[self._place : self._place + 2]
        self._place += 1
        noise = self._noise(output, sample, next_alpha, next_sigma)
        clean = (sample - sigma * noise) / alpha
        return (next_alpha * clean + next_sigma * noise,)

    def _noise(self, output: torch.Tensor, sample: torch.Tensor, alpha: float, sigma: float) -> torch.Tensor:
        """The noise that the model's ``output`` for ``sample`` tells of, taken to be at the level it was asked for."""
        if self._flow:
            return sample + alpha * output
        match self._prediction:
            case "sample":
                return (sample - alpha * output) / sigma
            case "v_prediction":
                return alpha * output + sigma * sample
            case _:
                return output

    def _diffusion_levels(self, steps: int) -> tuple[torch.Tensor, list[tuple[float, float]]]:
        kept = self._forward.alphas_cumprod
        times = torch.linspace(0, len(kept) - 1, steps + 1).round().long()
        return times[1:], [(float(kept[at]) ** 0.5, float(1 - kept[at]) ** 0.5) for at in times]

    def _flow_levels(
        self, steps: int | None, sigmas: Sequence[float] | None, mu: float | None
    ) -> tuple[torch.Tensor, list[tuple[float, float]]]:
        kind = type(self._forward)
        euler = kind if not kind.__name__.startswith("FlowMatch") else FlowMatchEulerDiscreteScheduler
        forward = euler.from_config(self.config)
        given: dict[str, Any] = {"sigmas": list(sigmas)} if sigmas is not None else {"num_inference_steps": steps}
        forward.set_timesteps(**given, **({"mu": mu} if mu is not None else {}))
        levels = [(1 - float(sigma), float(sigma)) for sigma in reversed(forward.sigmas)]
        return forward.timesteps.flip(0), levels


def invert(pipeline: Any, pixels: Pixels, *, flow: bool, steps: int = STEPS) -> Values:
    """The noise (C · h · w,) that ``pixels``, uint8 (H, W, 3) in a size the model makes, would grow from.

    ``pipeline`` is a text-to-image pipeline of diffusers with latents; it is left as it is.
    """
    height, width = pixels.shape[:2]
    backwards = copy.copy(pipeline)
    backwards.scheduler = ReverseSampler(pipeline.scheduler, flow=flow)
    backwards.set_progress_bar_config(disable=True)
    with torch.inference_mode():
        latents = to_model(pipeline, encode(pipeline, pixels))
        noise = backwards(
            prompt="",
            height=height,
            width=width,
            guidance_scale=1.0,
            num_inference_steps=steps,
            latents=latents,
            output_type="latent",
        ).images
    return from_model(pipeline, noise, width, height).double().cpu().numpy().ravel()


def encode(pipeline: Any, pixels: Pixels) -> torch.Tensor:
    """The latent (1, C, h, w) of ``pixels``, as the autoencoder of ``pipeline`` gives it, at the model's scale."""
    vae = pipeline.vae
    picture = pipeline.image_processor.preprocess(Image.fromarray(np.ascontiguousarray(pixels)))
    coded = vae.encode(picture.to(pipeline._execution_device, vae.dtype))
    latents = coded.latents if hasattr(coded, "latents") else coded.latent_dist.mode()
    shift = vae.config.get("shift_factor") or 0.0
    return (latents - shift) * vae.config.scaling_factor  # type: ignore[no-any-return]


def decode(pipeline: Any, latents: torch.Tensor) -> Image.Image:
    """The picture of ``latents`` (1, C, h, w) at the model's scale."""
    vae = pipeline.vae
    shift = vae.config.get("shift_factor") or 0.0
    pixels = vae.decode((latents / vae.config.scaling_factor + shift).to(vae.dtype), return_dict=False)[0]
    image: Image.Image = pipeline.image_processor.postprocess(pixels, output_type="pil")[0]
    return image


def to_model(pipeline: Any, latents: torch.Tensor) -> torch.Tensor:
    """``latents`` (1, C, h, w) in the layout that the pipeline takes: FLUX packs squares of four into one token."""
    if not hasattr(pipeline, "_pack_latents"):
        return latents
    return pipeline._pack_latents(latents, *latents.shape)  # type: ignore[no-any-return]


def from_model(pipeline: Any, latents: torch.Tensor, width_px: int, height_px: int) -> torch.Tensor:
    """The way back of `to_model`."""
    if not hasattr(pipeline, "_unpack_latents"):
        return latents
    return pipeline._unpack_latents(  # type: ignore[no-any-return]
        latents, height_px, width_px, pipeline.vae_scale_factor
    )
