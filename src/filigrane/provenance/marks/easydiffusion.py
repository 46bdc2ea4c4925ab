"""Easy Diffusion: one PNG chunk per setting, ``negative_prompt`` or ``Negative Prompt`` among them; elsewhere JSON."""

from __future__ import annotations

from collections.abc import Mapping

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks._json import MAX_TEXT_CHARS, as_integer, load_object, simple_fields
from filigrane.provenance.metadata import Metadata

_STYLES = (
    ("prompt", "negative_prompt", "seed", "use_stable_diffusion_model", "num_inference_steps"),
    ("Prompt", "Negative Prompt", "Seed", "Stable Diffusion model", "Steps"),
)


class _EasyDiffusion:
    tool = "Easy Diffusion"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        chunks = {entry.keyword: entry.text[:MAX_TEXT_CHARS] for entry in reversed(metadata.texts)}
        found = self._read(chunks, "PNG text chunks")
        for entry in metadata.comments():
            settings = load_object(entry.text) if found is None else None
            if settings:
                found = self._read(simple_fields(settings), f"{entry.where} {entry.keyword}")
        return found

    def _read(self, settings: Mapping[str, str], where: str) -> GeneratorMark | None:
        for prompt, negative, seed, model, steps in _STYLES:
            if seed not in settings or not ({negative, model} & settings.keys()) or steps not in settings:
                continue
            return GeneratorMark(
                self.tool,
                where,
                Says.GENERATED,
                explicit=False,
                prompt=settings.get(prompt, ""),
                negative_prompt=settings.get(negative, ""),
                seed=as_integer(settings[seed]),
                model=settings.get(model, ""),
                fields=simple_fields(settings, (prompt, negative, seed, model)),
            )
        return None


def build() -> _EasyDiffusion:
    """The mark of Easy Diffusion."""
    return _EasyDiffusion()
