"""Evidence from the noise that a picture grew from: the mark that our generator writes before it draws.

Reading it takes the model that drew the picture, so this source speaks only where one is given. Such a mark survives
what removes every mark from pixels, an autoencoder for one, and tells of nothing but a picture that this model drew.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filigrane.core.errors import MissingExtra
from filigrane.core.values import Evidence, Finding, Json, Picture
from filigrane.detector.base import Context
from filigrane.watermark.keys import KeyRing, key_folder, load_ring
from filigrane.watermark.payload import derive

if TYPE_CHECKING:
    from filigrane.generator.latent.mark import LatentReading
    from filigrane.generator.models.stable_diffusion import StableDiffusion

BUILTIN = "builtin"


class LatentEvidence:
    """Leads the picture back to its noise, reads the mark there, and looks it up in the registry."""

    name = "latent"
    guarded = False

    def __init__(self, context: Context) -> None:
        self._context = context

    @cached_property
    def _ring(self) -> KeyRing:
        return load_ring(key_folder(self._context.home))

    @cached_property
    def _model(self) -> StableDiffusion:
        try:
            from filigrane.generator.models import builtin, stable_diffusion
        except ImportError as error:
            raise MissingExtra("Reading the mark in the noise", "generate") from error
        if self._context.latent_model == BUILTIN:
            return builtin.build()
        return stable_diffusion.build(source=stable_diffusion.Source(self._context.latent_model))

    def examine(self, picture: Picture) -> Evidence:
        """Present where the mark is read, with its p-value; unavailable without a model that can be run backwards."""
        if not self._context.latent_model:
            return self._silent("Reading the mark in the noise takes the model that made the picture: --latent-model.")
        if problem := self._model.why_unreadable():
            return self._silent(f"The mark in the noise can't be read: {problem}")
        reading = self._model.read(picture.pixels, self._keys)
        if not reading.found:
            return Evidence(self.name, Finding.ABSENT, 0.0, f"The noise of {self._told} carries no mark.")
        return self._found(reading)

    @cached_property
    def _keys(self) -> tuple[bytes, ...]:
        from filigrane.generator.latent.mark import KEY_PURPOSE

        return tuple(derive(key.secret, KEY_PURPOSE) for key in self._ring.keys)

    @property
    def _told(self) -> str:
        name = self._context.latent_model
        return "the built-in model" if name == BUILTIN else Path(name).name

    def _silent(self, why: str) -> Evidence:
        return Evidence(self.name, Finding.UNAVAILABLE, 0.0, why)

    def _found(self, reading: LatentReading) -> Evidence:
        details: dict[str, Json] = {
            "p_value": reading.p_value,
            "correlation": round(reading.correlation, 4),
            "key_id": self._ring.keys[reading.key].id,
            "model": self._context.latent_model,
        }
        summary = f"The picture grew from noise of {self._told} that carries our mark"
        if reading.number is not None:
            number = self._id(reading.number, reading.key)
            issued = self._context.issued_mark(number)
            details["id"] = f"{number:015x}"
            details["registered"] = issued is not None
            summary += f" {number:015x}" + ("" if issued is not None else ", which the registry here does not know")
        return Evidence(
            source=self.name,
            finding=Finding.PRESENT,
            llr=self._context.policy.weight("latent.found"),
            summary=f"{summary}.",
            details=details,
            false_positive_rate=reading.p_value,
        )

    def _id(self, number: int, key: int) -> int:
        from filigrane.generator.latent.mark import registered_id

        return registered_id(self._keys[key], number)


def build(*, context: Context) -> LatentEvidence:
    """The source."""
    return LatentEvidence(context)
