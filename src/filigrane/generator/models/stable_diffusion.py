"""Stable Diffusion and its kin (1.x, 2.x, XL, 3.x, FLUX) through diffusers: text, image and mask to picture.

The starting noise is drawn here, on the processor, from the seed of the recipe: the same on every device, and the
place where the latent mark goes in. Pictures are made one by one, so that a picture never depends on its neighbours.
"""

from __future__ import annotations

import inspect
import math
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from filigrane.core.errors import FiligraneError, UsageError
from filigrane.core.values import Pixels
from filigrane.generator.base import Recipe
from filigrane.generator.latent import inversion
from filigrane.generator.latent.mark import LatentMark, LatentReading, read_any
from filigrane.generator.latent.spreading import Values
from filigrane.generator.models import ModelChoice, _samplers
from filigrane.generator.models._loading import load, weight_files
from filigrane.generator.task import PREVIEW_PX, Painted, Progress, Task

_MARKED = frozenset(
    {"FluxPipeline", "StableDiffusion3Pipeline", "StableDiffusionPipeline", "StableDiffusionXLPipeline"}
)
"""Pipelines whose latents are laid out as `filigrane.generator.latent.inversion` expects."""
_LARGEST_PX = 4096


class StableDiffusion:
    """One model, loaded when it is first needed; serves one picture at a time."""

    def __init__(self, choice: ModelChoice) -> None:
        self._choice = choice

    @cached_property
    def pipeline(self) -> Any:
        """The text-to-image pipeline of diffusers."""
        return load(self._choice)

    @property
    def native_px(self) -> tuple[int, int]:
        """Width and height that the model was made for."""
        pipeline = self.pipeline
        side = getattr(pipeline, "default_sample_size", None) or self._denoiser.config.get("sample_size", 64)
        sides = side if isinstance(side, (tuple, list)) else (side, side)
        factor = pipeline.vae_scale_factor
        return int(sides[1]) * factor, int(sides[0]) * factor

    def fitted(self, width_px: float, height_px: float) -> tuple[int, int]:
        """The width and height nearest to those given that the model can make, smaller in proportion if too large."""
        scale = min(1.0, _LARGEST_PX / max(width_px, height_px))
        width, height = (max(1, round(side * scale / self._grid)) * self._grid for side in (width_px, height_px))
        return width, height

    def files(self) -> tuple[Path, ...]:
        """The weight files that were loaded, adapters included."""
        return weight_files(self._choice)

    @property
    def runs_on(self) -> str:
        """The device and the type of the model's numbers, such as ``cuda float16``."""
        return f"{self.pipeline._execution_device.type} {str(self._denoiser.dtype).removeprefix('torch.')}"

    def sample(self, recipe: Recipe) -> Pixels:
        """The picture of ``recipe``, uint8 (height_px, width_px, 3); raises what `paint` raises."""
        return self.paint(Task(recipe)).pixels

    def paint(self, task: Task) -> Painted:
        """The picture of ``task``.

        Raises UsageError for what the model can't do, FiligraneError where it fails or refuses its own picture.
        """
        recipe = task.recipe
        self._check(task)
        sampler = _samplers.choose(self.pipeline.scheduler, recipe.scheduler)
        problem = self._why_unmarked(task, sampler)
        pipeline = self._for(task)
        pipeline.scheduler, own = sampler, pipeline.scheduler
        try:
            options = self._options(task, pipeline, marked=not problem)
            with torch.inference_mode():
                made = pipeline(**options)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise FiligraneError(
                f"{recipe.width_px} x {recipe.height_px} pixels need more memory than there is; make a smaller picture."
            ) from error
        except (ValueError, TypeError, RuntimeError) as error:  # what a pipeline raises for requests it can't meet
            short = " ".join(str(error).split())[:160]
            raise UsageError(
                f"This model can't make that picture ({short}); change the request or the model."
            ) from error
        finally:
            pipeline.scheduler = own
        if any(getattr(made, "nsfw_content_detected", None) or ()):
            raise FiligraneError("The model's own safety checker refused the picture; change the prompt or the seed.")
        return Painted(_kept(np.asarray(made.images[0].convert("RGB")), task), problem)

    def read(self, pixels: Pixels, keys: tuple[bytes, ...]) -> LatentReading:
        """The latent mark of ``pixels`` under any of ``keys``, at its own size and, if that is another, the model's."""
        sizes = self._sizes(pixels)
        readings = [read_any(keys, self.noise(pixels, size)) for size in sizes]
        return min(readings, key=lambda reading: reading.p_value).tried(len(sizes))

    def why_unreadable(self) -> str:
        """Why this model can't lead a picture back to its noise, in one sentence; empty where it can."""
        if type(self.pipeline).__name__ not in _MARKED:
            return f"{type(self.pipeline).__name__} is not a kind whose noise can be found again."
        return ""

    def noise(self, pixels: Pixels, size: tuple[int, int] | None = None) -> Values:
        """The noise that ``pixels`` would grow from, resized to ``size`` (width, height; the model's own if None)."""
        size = size if size is not None else self.native_px
        image = Image.fromarray(pixels)
        fitted = np.asarray(image if image.size == size else image.resize(size, Image.Resampling.LANCZOS))
        return inversion.invert(self.pipeline, fitted, flow=_samplers.is_flow(self.pipeline.scheduler))

    def _sizes(self, pixels: Pixels) -> tuple[tuple[int, int], ...]:
        """Sizes at which the picture may have been made, as (width, height)."""
        height, width = pixels.shape[:2]
        native = math.prod(self.native_px)
        scale = math.sqrt(native / (width * height))
        own, usual = (width, height), self.fitted(width * scale, height * scale)
        fits = self.fitted(*own) == own and width * height <= native * 4
        return tuple(dict.fromkeys((own, usual) if fits else (usual,)))

    @property
    def _denoiser(self) -> Any:
        return getattr(self.pipeline, "unet", None) or self.pipeline.transformer

    @property
    def _grid(self) -> int:
        """What width and height must be a multiple of."""
        factor: int = self.pipeline.vae_scale_factor
        if hasattr(self.pipeline, "_pack_latents"):
            return 2 * factor
        return factor * int(self._denoiser.config.get("patch_size") or 1)

    def _latent_shape(self, recipe: Recipe) -> tuple[int, int, int, int]:
        factor = self.pipeline.vae_scale_factor
        return 1, self.pipeline.vae.config.latent_channels, recipe.height_px // factor, recipe.width_px // factor

    def _why_unmarked(self, task: Task, sampler: Any) -> str:
        if task.latent is None:
            return "No mark was asked for."
        if task.start is not None:
            return "A picture that starts from another does not grow from noise alone."
        if problem := self.why_unreadable() or _samplers.why_noise_is_lost(sampler, task.recipe.steps):
            return problem
        count = math.prod(self._latent_shape(task.recipe))
        return LatentMark.problem(count)

    def _for(self, task: Task) -> Any:
        """The pipeline for this kind of task, with the same weights."""
        if task.start is None:
            return self.pipeline
        from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting  # seconds to import

        kind = AutoPipelineForImage2Image if task.mask is None else AutoPipelineForInpainting
        try:
            pipeline = kind.from_pipe(self.pipeline)
        except (ValueError, AttributeError) as error:
            name = type(self.pipeline).__name__
            raise UsageError(f"A {name} can't start from a picture; leave the start out or use another.") from error
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _options(self, task: Task, pipeline: Any, *, marked: bool) -> dict[str, Any]:
        """What the pipeline is called with."""
        recipe = task.recipe
        options: dict[str, Any] = {
            "prompt": recipe.prompt,
            "num_inference_steps": recipe.steps,
            "guidance_scale": recipe.guidance,
            "width": recipe.width_px,
            "height": recipe.height_px,
            "generator": torch.Generator("cpu").manual_seed(recipe.seed),
            "callback_on_step_end": self._callback(task, pipeline),
            "callback_on_step_end_tensor_inputs": ["latents"],
        }
        options |= _negative(recipe, inspect.signature(pipeline.__call__).parameters)
        if task.start is None:
            options["latents"] = self._start(task, marked)
        else:
            options |= {"image": Image.fromarray(task.start), "strength": task.strength}
        if task.mask is not None:
            options["mask_image"] = Image.fromarray(task.mask)
        if "width" not in inspect.signature(pipeline.__call__).parameters:
            del options["width"], options["height"]
        return options

    def _start(self, task: Task, marked: bool) -> torch.Tensor:
        """The starting noise of the recipe's seed, with the mark where it is wanted."""
        rng = np.random.default_rng(task.recipe.seed)
        shape = self._latent_shape(task.recipe)
        if marked and task.latent is not None:
            noise = LatentMark(task.latent.key, math.prod(shape)).noise(task.latent.number, rng)
        else:
            noise = rng.standard_normal(math.prod(shape))
        latents = torch.from_numpy(noise.reshape(shape)).to(self.pipeline._execution_device, self._denoiser.dtype)
        return inversion.to_model(self.pipeline, latents)

    def _callback(self, task: Task, pipeline: Any) -> Any:
        steps = task.recipe.steps if task.start is None else max(1, int(task.recipe.steps * task.strength))

        def tell(_: Any, step: int, __: Any, state: dict[str, Any]) -> dict[str, Any]:
            if task.progress is not None:
                latents = state["latents"].clone()
                preview = (lambda: self._preview(latents, task.recipe)) if step + 1 < steps else None
                task.progress(Progress(step + 1, max(steps, step + 1), preview))
            return {}

        return tell

    def _preview(self, latents: torch.Tensor, recipe: Recipe) -> Pixels:
        """What ``latents`` look like, at most PREVIEW_PX wide and high."""
        pipeline = self.pipeline
        plain = inversion.from_model(pipeline, latents, recipe.width_px, recipe.height_px)
        with torch.inference_mode():
            image = inversion.decode(pipeline, plain)
        image.thumbnail((PREVIEW_PX, PREVIEW_PX))
        return np.asarray(image.convert("RGB"))

    def _check(self, task: Task) -> None:
        recipe, grid = task.recipe, self._grid
        for side, name in ((recipe.width_px, "width"), (recipe.height_px, "height")):
            if side % grid or not grid <= side <= _LARGEST_PX:
                near = min(max(grid, round(side / grid) * grid), _LARGEST_PX)
                raise UsageError(f"This model makes sides of multiples of {grid} px; for the {name}, give {near}.")
        if not 1 <= recipe.steps <= 1000:
            raise UsageError(f"A picture takes 1 to 1,000 steps; {recipe.steps} were given.")
        if not 0 <= recipe.seed < 1 << 63:
            raise UsageError(f"A seed is from 0 to 2**63 - 1; {recipe.seed} was given.")
        if not math.isfinite(recipe.guidance):
            raise UsageError(f"A guidance is a number such as 5; {recipe.guidance} was given.")
        if task.start is not None and not 1 <= recipe.steps * task.strength <= recipe.steps:
            raise UsageError(
                f"A strength is above 0 and up to 1, and with {recipe.steps} steps at least {1 / recipe.steps:.2g}; "
                f"{task.strength} was given."
            )


def _kept(made: Pixels, task: Task) -> Pixels:
    """What was made, with the pixels of the start where the mask says to keep them."""
    if task.start is None or task.mask is None:
        return made
    share = task.mask[..., None].astype(np.float32) / 255
    return np.rint(made * share + task.start * (1 - share)).astype(np.uint8)


def _negative(recipe: Recipe, known: Any) -> dict[str, Any]:
    """How a negative prompt is passed, if there is one: models with built-in guidance take it in their own way."""
    if not recipe.negative:
        return {}
    if "negative_prompt" not in known:
        raise UsageError("This model takes no negative prompt; say in the prompt what you want to see.")
    true_scale = {"true_cfg_scale": recipe.guidance} if "true_cfg_scale" in known else {}
    return {"negative_prompt": recipe.negative, **true_scale}


def build(*, choice: ModelChoice) -> StableDiffusion:
    """The generator for the model of ``choice``."""
    return StableDiffusion(choice)
