"""Evidence from the noise that a picture grew from: the mark that our generator writes before it draws.

Reading it takes the model that drew the picture, so this source speaks only where one is given. Such a mark survives
what removes every mark from pixels, an autoencoder for one, and tells of nothing but a picture that this model drew.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filigrane.core.errors import FiligraneError
from filigrane.core.values import Evidence, Finding, Json, Picture
from filigrane.detector.base import Context
from filigrane.generator.latent.mark import KEY_PURPOSE, LatentReading, registered_id
from filigrane.generator.models import BUILTIN, ModelChoice, open_model
from filigrane.watermark.keys import KeyRing, key_folder, load_ring
from filigrane.watermark.payload import derive

if TYPE_CHECKING:
    from filigrane.generator.models.stable_diffusion import StableDiffusion


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
    def _model(self) -> StableDiffusion | str:
        """The model, or why it can't be used, which is found out once for all pictures."""
        try:
            model = open_model(ModelChoice(self._context.latent_model))
            return model.why_unreadable() or model
        except FiligraneError as error:
            return str(error)

    @cached_property
    def _keys(self) -> tuple[bytes, ...]:
        return tuple(derive(key.secret, KEY_PURPOSE) for key in self._ring.keys)

    def examine(self, picture: Picture) -> Evidence:
        """Present where the mark is read, with its p-value; unavailable without a model that can be run backwards."""
        if not self._context.latent_model:
            return self._silent("Reading the mark in the noise takes the model that made the picture: --latent-model.")
        if isinstance(self._model, str):
            return self._silent(f"The mark in the noise can't be read: {self._model}")
        reading = self._model.read(picture.pixels, self._keys)
        if not reading.found:
            return Evidence(self.name, Finding.ABSENT, 0.0, f"The noise of {self._told} carries no mark.")
        return self._found(reading)

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
            number = registered_id(self._keys[reading.key], reading.number)
            issued = self._context.issued_mark(number)
            revoked = issued.revoked if issued is not None else None
            details |= {"id": f"{number:015x}", "registered": issued is not None, "revoked": revoked is not None}
            summary += f" {number:015x}"
            if issued is None:
                summary += ", which the registry here does not know"
            if revoked is not None:
                summary += f", which was revoked: {revoked.reason}"
        return Evidence(
            source=self.name,
            finding=Finding.PRESENT,
            llr=self._context.policy.weight("latent.found"),
            summary=f"{summary}.",
            details=details,
            false_positive_rate=reading.p_value,
        )


def build(*, context: Context) -> LatentEvidence:
    """The source."""
    return LatentEvidence(context)
