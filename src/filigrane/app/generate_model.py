"""The model behind a studio: the built-in one or the user's own, with its defaults and its name for the manifest."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filigrane.core.errors import UsageError
from filigrane.core.values import Pixels
from filigrane.generator.base import Recipe
from filigrane.generator.models import BUILTIN, ModelChoice, open_model
from filigrane.generator.task import Painted, Task
from filigrane.provenance.manifest import Software

if TYPE_CHECKING:
    from filigrane.generator.latent.mark import LatentReading
    from filigrane.generator.models.stable_diffusion import StableDiffusion

__all__ = ["BUILTIN", "ModelChoice", "Painter"]

_SAMPLED_BYTES = 1 << 20
_STEPS, _GUIDANCE = 28, 5.0


class Painter:
    """One model, loaded when first needed."""

    def __init__(self, choice: ModelChoice) -> None:
        if choice.name == BUILTIN and choice != ModelChoice(device=choice.device, download=choice.download):
            raise UsageError(
                "The built-in model takes no LoRA, layout, number type or offloading; give --model for your own."
            )
        self._choice = choice

    @cached_property
    def _model(self) -> StableDiffusion:
        return open_model(self._choice)

    @cached_property
    def defaults(self) -> Recipe:
        """Steps, guidance and size that suit the model."""
        width, height = self._model.native_px
        steps, guidance = _STEPS, _GUIDANCE
        if self._choice.name == BUILTIN:
            from filigrane.generator.models.builtin import card

            told = card()
            steps, guidance = told.steps, told.guidance
        return Recipe(self._choice.name, "", steps=steps, guidance=guidance, width_px=width, height_px=height)

    @cached_property
    def software(self) -> Software:
        """Name of the model, and as its version a digest of its weights: names, sizes and first mebibytes."""
        digest = hashlib.sha256()
        for path in self._model.files():
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                digest.update(file.read(_SAMPLED_BYTES))
        name = "Filigrane built-in model" if self._choice.name == BUILTIN else Path(self._choice.name).name[:100]
        return Software(name, digest.hexdigest()[:16])

    @property
    def loras(self) -> tuple[tuple[str, float], ...]:
        """The adapters by file name, with their weights."""
        return tuple((path.name, weight) for path, weight in self._choice.loras)

    @property
    def runs_on(self) -> str:
        """The device and the type of the model's numbers."""
        return self._model.runs_on

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """The size nearest to one of a picture that the model can make."""
        return self._model.fitted(width, height)

    def paint(self, task: Task) -> Painted:
        """The picture of ``task``; raises what `StableDiffusion.paint` raises."""
        return self._model.paint(task)

    def read(self, pixels: Pixels, keys: tuple[bytes, ...]) -> LatentReading:
        """The latent mark of ``pixels`` under any of ``keys``."""
        return self._model.read(pixels, keys)
