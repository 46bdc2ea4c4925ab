"""Evidence from metadata: the marks that generators leave, declared source types, labels, hidden parameters."""

from __future__ import annotations

import re
from functools import cached_property

from filigrane.core.values import Evidence, Finding, Json, Picture
from filigrane.detector.base import Context
from filigrane.provenance import xmp
from filigrane.provenance.mark import GeneratorMark, Mark, find_marks, load_marks
from filigrane.provenance.metadata import Metadata

SAYS = {
    "generated": "was generated",
    "edited": "was edited with generative AI",
    "possibly": "may have been generated",
}
_PERSONAL = re.compile(r"created.?by|user.?name|author|owner|person|e-?mail", re.IGNORECASE)
"""Names of parameters that speak of people: Fooocus writes created_by, SwarmUI personalnote."""


class MetadataEvidence:
    """Asks every generator's mark, and reports what it tells of prompt, seed and model."""

    name = "metadata"
    guarded = True

    def __init__(self, context: Context) -> None:
        self._context = context

    @cached_property
    def _marks(self) -> tuple[Mark, ...]:
        return load_marks()

    def examine(self, picture: Picture) -> Evidence:
        """Present where a generator's mark stands in the file; the strongest one gives the weight."""
        metadata = self._context.metadata(picture)
        marks = find_marks(metadata, self._marks)
        found = sorted(marks, key=lambda mark: (-self._weight(mark), mark.tool, mark.where))
        return Evidence(
            source=self.name,
            finding=Finding.PRESENT if found else Finding.ABSENT,
            llr=self._weight(found[0]) if found else 0.0,
            summary=_summary(found, metadata),
            details=_details(found, metadata),
        )

    def _weight(self, mark: GeneratorMark) -> float:
        return self._context.policy.weight(f"mark.{mark.says}.{'explicit' if mark.explicit else 'trace'}")


def _summary(found: list[GeneratorMark], metadata: Metadata) -> str:
    if not found:
        return "The metadata carries no mark of a generator."
    first, others = found[0], sorted({mark.tool for mark in found[1:]} - {found[0].tool})
    tail = f"; also found: {', '.join(others)}" if others else ""
    return f"The metadata says that the picture {SAYS[first.says]}: {first.tool} ({first.where}){tail}."


def _details(found: list[GeneratorMark], metadata: Metadata) -> dict[str, Json]:
    details: dict[str, Json] = {"marks": [_describe(mark) for mark in found]}
    if metadata.trailing is not None:
        details["trailing"] = {
            "size_bytes": metadata.trailing.size_bytes,
            "kind": metadata.trailing.kind,
            "expected": metadata.trailing.expected,
        }
    if references := metadata.xmp_values(xmp.DCTERMS, "provenance"):
        details["manifest_reference"] = references[0]
    if metadata.stealth is not None:
        details["hidden_text_channel"] = metadata.stealth.channel
    if metadata.problems:
        details["problems"] = list(metadata.problems)
    if metadata.personal:
        details["personal"] = {entry.keyword: entry.text for entry in metadata.personal}
    return details


def _describe(mark: GeneratorMark) -> dict[str, Json]:
    """The mark as JSON; what its parameters say of their user stands under ``personal``."""
    personal = {name: text for name, text in mark.fields.items() if _PERSONAL.search(name)}
    told: dict[str, Json] = {
        "tool": mark.tool,
        "where": mark.where,
        "says": mark.says,
        "explicit": mark.explicit,
        "prompt": mark.prompt,
        "negative_prompt": mark.negative_prompt,
        "seed": mark.seed,
        "model": mark.model,
        "fields": {name: text for name, text in mark.fields.items() if name not in personal},
        "personal": personal,
    }
    return {name: value for name, value in told.items() if value not in (None, "", {})}


def build(*, context: Context) -> MetadataEvidence:
    """The source."""
    return MetadataEvidence(context)
