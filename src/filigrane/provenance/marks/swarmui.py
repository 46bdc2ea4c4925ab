"""SwarmUI: JSON with ``sui_image_params``, as PNG ``parameters`` or EXIF UserComment (its Image Metadata Format)."""

from __future__ import annotations

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks._json import as_integer, as_object, as_text, load_object, simple_fields
from filigrane.provenance.metadata import Metadata

_MAIN = frozenset({"prompt", "negativeprompt", "seed", "model"})


class _SwarmUI:
    tool = "SwarmUI"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        named = [entry for entry in metadata.texts if entry.keyword in ("parameters", "sui_image_params")]
        for entry in (*named, *metadata.comments()):
            found = load_object(entry.text) if "sui_image_params" in (entry.text + entry.keyword) else None
            if found is None:
                continue
            inner = as_object(found.get("sui_image_params"))
            settings = inner if inner or entry.keyword != "sui_image_params" else found
            if not {"prompt", "seed", "model"} & settings.keys():
                continue
            return GeneratorMark(
                self.tool,
                f"{entry.where} {entry.keyword}",
                Says.GENERATED,
                explicit=False,
                prompt=as_text(settings.get("prompt")),
                negative_prompt=as_text(settings.get("negativeprompt")),
                seed=as_integer(settings.get("seed")),
                model=as_text(settings.get("model")),
                fields=simple_fields(settings, _MAIN),
            )
        return None


def build() -> _SwarmUI:
    """The mark of SwarmUI."""
    return _SwarmUI()
