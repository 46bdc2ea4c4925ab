"""China's implicit label (GB 45438-2025, TC260): JSON with Label 1, 2 or 3 for generated, possibly, suspected.

It stands in XMP as element or attribute ``AIGC`` of the TC260 namespace, in a PNG chunk ``AIGC``, in a bare JPEG
segment, or as ``{"AIGC": {…}}`` in a comment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from filigrane.provenance.containers import TextEntry
from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks._json import as_text, load_object, simple_fields
from filigrane.provenance.metadata import Metadata

_NAMESPACE = "http://www.tc260.org.cn/ns/aigc"
_SAYS = {"1": Says.GENERATED, "2": Says.POSSIBLY, "3": Says.POSSIBLY}
_KEYS = frozenset({"ContentProducer", "ProduceID", "ContentPropagator", "PropagateID"})
# A producer is a legal entity, which may have several products; these two forms were seen on originals.
_PRODUCERS = {"001191110102MACQD9K64010000": "Doubao", "doubao": "Doubao", "picwish": "PicWish"}


class _Tc260:
    tool = "China TC260 label"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        for entry in _entries(metadata):
            label = _label(entry.text)
            says = _SAYS.get(as_text(label.get("Label"))) if label is not None else None
            if label is not None and says is not None:
                producer = as_text(label.get("ContentProducer"))
                return GeneratorMark(
                    _PRODUCERS.get(producer, self.tool),
                    f"{entry.where} {entry.keyword}",
                    says,
                    explicit=says is Says.GENERATED,
                    fields=simple_fields(label),
                )
        return None


def _entries(metadata: Metadata) -> Iterator[TextEntry]:
    for item in metadata.xmp:
        if item.name.casefold() == "aigc" and item.namespace.casefold().startswith(_NAMESPACE):
            yield TextEntry("TC260:AIGC", item.value, "XMP")
    yield from (entry for entry in metadata.texts if entry.keyword.casefold() == "aigc")
    yield from (entry for entry in metadata.comments() if "AIGC" in entry.text)


def _label(text: str) -> dict[str, Any] | None:
    """The label itself, out of its ``AIGC`` wrapper where it has one (as an object, or as JSON inside JSON)."""
    label = load_object(text.strip().removeprefix("AIGC"))
    wrapped = label.get("AIGC") if label is not None else None
    if wrapped is not None:
        label = load_object(wrapped) if isinstance(wrapped, str) else wrapped if isinstance(wrapped, dict) else None
    return label if label is not None and "Label" in label and _KEYS & label.keys() else None


def build() -> _Tc260:
    """The mark of China's TC260 label."""
    return _Tc260()
