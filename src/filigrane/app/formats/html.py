"""One self-contained HTML page: no script, no network, light and dark, fit for print."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import PurePath
from typing import IO

from jinja2 import Environment, select_autoescape

from filigrane import __version__
from filigrane.app.formats._flat import as_list, as_map
from filigrane.app.records import Record
from filigrane.core.values import Json, Label

WORDS = {
    Label.AI_GENERATED.value: "AI-generated",
    Label.LIKELY_AI.value: "Probably AI",
    Label.INCONCLUSIVE.value: "Inconclusive",
    Label.NO_EVIDENCE_OF_AI.value: "No evidence of AI",
    Label.AUTHENTIC_PROVENANCE.value: "Authentic provenance",
    Label.NOT_APPLICABLE.value: "Not applicable",
    "unreadable": "Unreadable",
}


class Html:
    """A page with a card for each picture: the verdict, a sentence to quote, conflicts and all evidence."""

    thumbnail_px = 320

    def write(self, records: Iterable[Record], stream: IO[bytes]) -> None:
        """Render the page while the records come."""
        environment = Environment(autoescape=select_autoescape(default=True), trim_blocks=True, lstrip_blocks=True)
        source = files("filigrane.app.formats").joinpath("report.html").read_text(encoding="utf-8")
        now = datetime.now(UTC)
        page = environment.from_string(source).generate(
            cards=(_card(record, now) for record in records), version=__version__, now=f"{now:%Y-%m-%d %H:%M} UTC"
        )
        for part in page:
            stream.write(part.encode())


def _card(record: Record, now: datetime) -> dict[str, object]:
    error, verdict = as_map(record["error"]), as_map(record["verdict"])
    label = "unreadable" if error else str(verdict["label"])
    return {
        "name": record["path"],
        "label": label,
        "word": WORDS[label],
        "summary": error.get("message") or verdict.get("summary"),
        "percent": None if error else round(100 * float(str(verdict["probability"])), 1),
        "prior": None if error else round(100 * float(str(verdict["prior"])), 1),
        "quote": "" if error else _quote(record, now),
        "conflicts": as_list(verdict.get("conflicts")),
        "notes": as_list(record["notes"]),
        "evidence": [_shown(as_map(item)) for item in as_list(record["evidence"])],
        "thumbnail": record.get("thumbnail"),
        "facts": f"{record['format']}, {record['width_px']} × {record['height_px']} px" if not error else "",
        "sha256": record["sha256"] or "",
    }


def _quote(record: Record, now: datetime) -> str:
    verdict = as_map(record["verdict"])
    name = PurePath(str(record["path"])).name
    summary = str(verdict["summary"])
    return (
        f"“{name}” (SHA-256 {str(record['sha256'])[:16]}…) was examined with Filigrane {__version__} on "
        f"{now:%d %B %Y}. Result: {WORDS[str(verdict['label'])]}. {summary}"
    )


def _shown(evidence: Mapping[str, Json]) -> dict[str, object]:
    return {**evidence, "rows": list(_rows(evidence["details"]))}


def _rows(details: Json, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Details as (name, value) pairs; nested objects are joined with a dot, lists of objects shown as JSON."""
    for key, value in as_map(details).items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, dict):
            yield from _rows(value, f"{name} · ")
        elif isinstance(value, list) and not any(isinstance(inner, (dict, list)) for inner in value):
            if value:
                yield name, ", ".join(map(str, value))
        elif isinstance(value, list):
            yield name, json.dumps(value, ensure_ascii=False, indent=1)
        elif value not in (None, ""):
            yield name, str(value)


def build() -> Html:
    """The format."""
    return Html()
