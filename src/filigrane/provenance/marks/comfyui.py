"""ComfyUI: the node graph as ``prompt`` and the editor's state as ``workflow``, both JSON.

They stand in PNG chunks, or behind ``prompt:`` and ``workflow:`` in EXIF tags of WebP (0x0110, 0x010F and below). A
graph without a sampler may have only resized or filtered a picture, so it says "possibly".
"""

from __future__ import annotations

from collections.abc import Iterator

from filigrane.provenance.containers import TextEntry
from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks import _graph
from filigrane.provenance.marks._json import MAX_TEXT_CHARS, as_object, as_text, load_object
from filigrane.provenance.metadata import Metadata

_MAX_CHECKED_NODES = 5_000


class _ComfyUI:
    tool = "ComfyUI"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        for entry in _entries(metadata, "prompt"):
            graph = _graph.nodes(load_object(entry.text) or {})
            if graph:
                return _mark(entry, _graph.read(graph))
        for entry in _entries(metadata, "workflow"):
            nodes = (load_object(entry.text) or {}).get("nodes")
            checked = nodes[:_MAX_CHECKED_NODES] if isinstance(nodes, list) else []
            named = [kind for node in checked if isinstance(kind := as_object(node).get("type"), str)]
            if named:
                return _mark(entry, _graph.Generation(any("sampler" in kind.casefold() for kind in named)))
        return None


def _entries(metadata: Metadata, name: str) -> Iterator[TextEntry]:
    """The texts of one name: chunks, and EXIF tags or comments that start with it."""
    yield from (entry for entry in metadata.texts if entry.keyword == name)
    for entry in (*metadata.exif, *metadata.comments()):
        head, colon, body = entry.text.partition(":")
        if colon and head.strip().casefold() == name:
            yield TextEntry(entry.keyword, body, entry.where)
        elif entry.keyword == "UserComment":
            inner = (load_object(entry.text) or {}).get(name)
            if isinstance(inner, str):
                yield TextEntry(entry.keyword, inner, entry.where)


def _mark(entry: TextEntry, generation: _graph.Generation) -> GeneratorMark:
    return GeneratorMark(
        _ComfyUI.tool,
        f"{entry.where} {entry.keyword}",
        Says.GENERATED if generation.sampled else Says.POSSIBLY,
        explicit=False,
        prompt="\n".join(generation.prompts)[:MAX_TEXT_CHARS],
        negative_prompt="\n".join(generation.negative_prompts)[:MAX_TEXT_CHARS],
        seed=generation.seed,
        model=as_text(generation.model),
        fields=generation.settings,
    )


def build() -> _ComfyUI:
    """The mark of ComfyUI."""
    return _ComfyUI()
