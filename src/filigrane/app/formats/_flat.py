"""Records as flat rows, for formats that are tables."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

from filigrane.app.records import Record
from filigrane.core.values import Json

COLUMNS = (
    "path",
    "sha256",
    "format",
    "width_px",
    "height_px",
    "label",
    "probability",
    "summary",
    "conflicts",
    "found",
    "unavailable",
    "notes",
    "error",
)


@contextmanager
def as_text(stream: IO[bytes]) -> Iterator[io.TextIOWrapper]:
    """``stream`` as UTF-8 text without newline translation; the stream itself stays open, whatever happens."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    try:
        yield text
    finally:
        text.detach()


def as_map(value: Json) -> Mapping[str, Json]:
    """``value`` where it is an object, an empty one otherwise."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Json) -> Sequence[Json]:
    """``value`` where it is an array, an empty one otherwise."""
    return value if isinstance(value, (list, tuple)) else ()


def flat(record: Record) -> dict[str, str | int | float | None]:
    """One row of `COLUMNS`: lists are joined, evidence is named by what it found."""
    verdict = as_map(record["verdict"])
    by_finding: dict[str, list[str]] = {}
    for item in map(as_map, as_list(record["evidence"])):
        by_finding.setdefault(str(item["finding"]), []).append(f"{item['source']}: {item['summary']}")
    found = by_finding.get("present", []) + by_finding.get("invalid", [])
    values: dict[str, Json] = {
        **{name: record[name] for name in COLUMNS[:5]},
        "label": verdict.get("label"),
        "probability": verdict.get("probability"),
        "summary": verdict.get("summary"),
        "conflicts": " | ".join(map(str, as_list(verdict.get("conflicts")))),
        "found": " | ".join(found),
        "unavailable": " | ".join(by_finding.get("unavailable", [])),
        "notes": " | ".join(map(str, as_list(record["notes"]))),
        "error": as_map(record["error"]).get("message"),
    }
    return {name: value if isinstance(value, (int, float, str)) else None for name, value in values.items()}
