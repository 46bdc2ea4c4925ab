"""Draw Things: XMP exif:UserComment holds JSON with ``c`` (prompt), ``uc`` (negative), model and seed."""

from __future__ import annotations

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks._json import as_integer, as_text, load_object, simple_fields
from filigrane.provenance.metadata import Metadata

_MAIN = frozenset({"c", "uc", "model", "seed"})


class _DrawThings:
    tool = "Draw Things"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        declared = any(entry.text.strip() == "Draw Things" for entry in metadata.software())
        for entry in metadata.comments():
            found = load_object(entry.text) if entry.keyword == "UserComment" else None
            if found is None or "c" not in found:
                continue
            if declared or {"uc", "model", "sampler"} <= found.keys():
                return GeneratorMark(
                    self.tool,
                    f"{entry.where} {entry.keyword}",
                    Says.GENERATED,
                    explicit=False,
                    prompt=as_text(found["c"]),
                    negative_prompt=as_text(found.get("uc")),
                    seed=as_integer(found.get("seed")),
                    model=as_text(found.get("model")),
                    fields=simple_fields(found, _MAIN),
                )
        if declared:
            return GeneratorMark(self.tool, "XMP CreatorTool", Says.GENERATED, explicit=False)
        return None


def build() -> _DrawThings:
    """The mark of Draw Things."""
    return _DrawThings()
