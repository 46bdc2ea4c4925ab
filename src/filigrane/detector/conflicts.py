"""Where pieces of evidence contradict each other, in words.

One rule is one function over the evidence by source name; it returns a sentence or None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from filigrane.core.values import Evidence, Finding


@dataclass(frozen=True, slots=True)
class Conflict:
    """One contradiction: a short name for programs, and a sentence."""

    code: str
    sentence: str


Rule = Callable[[Mapping[str, Evidence], float], str | None]


def find_conflicts(evidence: Iterable[Evidence], *, weight: float) -> tuple[Conflict, ...]:
    """Every contradiction among ``evidence``; statements under ``weight`` nats are too weak to contradict."""
    by_source = {item.source: item for item in evidence}
    found = ((code, rule(by_source, weight)) for code, rule in RULES.items())
    return tuple(Conflict(code, sentence) for code, sentence in found if sentence)


def _camera_and_generator(by_source: Mapping[str, Evidence], weight: float) -> str | None:
    ai = sorted((e for e in by_source.values() if e.llr >= weight), key=lambda e: (-e.llr, e.source))
    human = sorted((e for e in by_source.values() if e.llr <= -weight), key=lambda e: (e.llr, e.source))
    if not ai or not human:
        return None
    return (
        f"Two statements contradict each other: {human[0].source} says “{human[0].summary}”, "
        f"{ai[0].source} says “{ai[0].summary}”"
    )


def _changed_after_signing(by_source: Mapping[str, Evidence], weight: float) -> str | None:
    manifest = by_source.get("manifest")
    if manifest is not None and manifest.finding is Finding.INVALID:
        return "The file was changed after its manifest was signed, so the manifest describes another version of it."
    return None


def _stripped_but_watermarked(by_source: Mapping[str, Evidence], weight: float) -> str | None:
    manifest, watermark = by_source.get("manifest"), by_source.get("watermark")
    if manifest is None or watermark is None:
        return None
    if manifest.finding is Finding.ABSENT and watermark.finding is Finding.PRESENT and watermark.details.get("id"):
        return (
            "The picture carries our watermark but no manifest: the manifest was stripped on the way; "
            "`filigrane recover` looks it up."
        )
    return None


def _stripped_but_referenced(by_source: Mapping[str, Evidence], weight: float) -> str | None:
    manifest, metadata = by_source.get("manifest"), by_source.get("metadata")
    if manifest is None or metadata is None or manifest.finding is not Finding.ABSENT:
        return None
    if metadata.details.get("manifest_reference"):
        return "The metadata refers to a C2PA manifest that is not in the file: it was stripped or is kept elsewhere."
    return None


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "both": _camera_and_generator,
        "changed": _changed_after_signing,
        "stripped": _stripped_but_watermarked,
        "elsewhere": _stripped_but_referenced,
    }
)
"""Every rule by the code of what it finds."""
