"""The optional second stage of the guard: a look at the picture itself, before it is marked and handed over."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from filigrane.core.errors import FiligraneError, NotFound
from filigrane.core.values import Pixels


class PictureCheck(Protocol):
    """Looks at a finished picture."""

    def problem(self, pixels: Pixels) -> str:
        """Why ``pixels``, uint8 (H, W, 3), must not be handed over, in one sentence; empty where they may."""
        ...


class SafetyChecker:
    """The safety checker that Stable Diffusion 1.x models bring, from a folder in the format of transformers.

    It compares the picture's CLIP embedding with those of 17 concepts of nudity (Rando et al., "Red-Teaming the Stable
    Diffusion Safety Filter", 2022); it knows nothing of violence or of people.
    """

    def __init__(self, folder: Path) -> None:
        """``folder`` holds config.json, model.safetensors and preprocessor_config.json; NotFound where it does not."""
        if not (folder / "model.safetensors").is_file():
            raise NotFound(f"{folder} holds no safety checker; expected config.json and model.safetensors.")
        self._folder = folder

    def problem(self, pixels: Pixels) -> str:
        """Why the picture must not be handed over; FiligraneError where the checker can't be loaded."""
        import torch
        from PIL import Image

        prepare, model = self._parts
        image = Image.fromarray(pixels)
        with torch.inference_mode():
            seen = prepare(images=image, return_tensors="pt").pixel_values
            _, found = model(clip_input=seen, images=[np.zeros((1, 1, 3), np.float32)])
        return "the safety checker sees nudity in the picture" if found[0] else ""

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
        from transformers import CLIPImageProcessor

        try:
            model = StableDiffusionSafetyChecker.from_pretrained(
                self._folder, local_files_only=True, use_safetensors=True
            )
            own = (self._folder / "preprocessor_config.json").is_file()
            prepare = CLIPImageProcessor.from_pretrained(self._folder) if own else CLIPImageProcessor()
        except Exception as error:  # transformers raises whatever a damaged folder provokes
            raise FiligraneError(
                f"The safety checker in {self._folder} can't be loaded; get a complete copy."
            ) from error
        return prepare, model.train(False)
