"""Fooocus: ``fooocus_scheme`` beside ``parameters``, or a comment in one of its two schemes (JSON, or A1111 text)."""

from __future__ import annotations

from filigrane.provenance.containers import TextEntry
from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks import _parameters
from filigrane.provenance.marks._json import as_integer, as_text, load_object, simple_fields
from filigrane.provenance.metadata import Metadata

_MAIN = frozenset({"prompt", "negative_prompt", "seed", "base_model"})


class _Fooocus:
    tool = "Fooocus"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        declared = metadata.text("fooocus_scheme") is not None or any(
            entry.text.startswith("Fooocus") for entry in metadata.software()
        )
        named = [entry for entry in metadata.texts if entry.keyword in ("parameters", "Comment")]
        for entry in (*named, *metadata.comments()):
            found = _read_json(entry, declared) or _read_text(entry, declared)
            if found is not None:
                return found
        return None


def _read_json(entry: TextEntry, declared: bool) -> GeneratorMark | None:
    found = load_object(entry.text)
    if found is None or "prompt" not in found:
        return None
    own = as_text(found.get("version")).startswith("Fooocus") or as_text(found.get("software")).startswith("Fooocus")
    if not (declared or own or {"base_model", "performance"} <= found.keys()):
        return None
    return GeneratorMark(
        _Fooocus.tool,
        f"{entry.where} {entry.keyword}",
        Says.GENERATED,
        explicit=False,
        prompt=as_text(found.get("prompt")),
        negative_prompt=as_text(found.get("negative_prompt")),
        seed=as_integer(found.get("seed")),
        model=as_text(found.get("base_model")),
        fields=simple_fields(found, _MAIN),
    )


def _read_text(entry: TextEntry, declared: bool) -> GeneratorMark | None:
    found = _parameters.parse(entry.text)
    if found is None or not (declared or found.settings.get("Version", "").startswith("Fooocus")):
        return None
    return found.mark(_Fooocus.tool, f"{entry.where} {entry.keyword}")


def build() -> _Fooocus:
    """The mark of Fooocus."""
    return _Fooocus()
