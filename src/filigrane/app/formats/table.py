"""A table for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from filigrane.app.formats._flat import as_list, as_map, as_text
from filigrane.app.records import Record
from filigrane.core.text import printable
from filigrane.core.values import Label

COLOURS = {
    Label.AI_GENERATED.value: "bold red",
    Label.LIKELY_AI.value: "red",
    Label.INCONCLUSIVE.value: "yellow",
    Label.AUTHENTIC_PROVENANCE.value: "green",
}


class TerminalTable:
    """One row for each picture, then a line that counts the labels."""

    thumbnail_px = 0

    def write(self, records: Iterable[Record], stream: IO[bytes]) -> None:
        """Write the table; colours only where ``stream`` is a terminal and NO_COLOR is not set."""
        table = Table("picture", "verdict", "P(AI)", "why", show_lines=True, expand=False)
        table.columns[1].no_wrap = table.columns[2].no_wrap = True
        table.columns[0].overflow = "fold"
        counts: dict[str, int] = {}
        for record in records:
            label, row = _row(record)
            table.add_row(*row)
            counts[label] = counts.get(label, 0) + 1
        with as_text(stream) as text:
            console = Console(file=text, soft_wrap=False, width=None if stream.isatty() else 160)
            console.print(table)
            console.print(", ".join(f"{count} {label}" for label, count in sorted(counts.items())) or "no pictures")


def _row(record: Record) -> tuple[str, tuple[Text, ...]]:
    error, verdict = as_map(record["error"]), as_map(record["verdict"])
    path = Text(printable(str(record["path"])))
    if error:
        return "unreadable", (path, Text("unreadable", "magenta"), Text("-"), Text(printable(str(error["message"]))))
    label = str(verdict["label"])
    why = Text(printable(str(verdict["summary"])))
    for conflict in as_list(verdict["conflicts"]):
        why.append(f"\n! {printable(str(conflict))}", "yellow")
    for note in as_list(record["notes"]):
        why.append(f"\n{printable(str(note))}", "dim")
    probability = Text(f"{float(str(verdict['probability'])):.3f}")
    return label, (path, Text(label, COLOURS.get(label, "")), probability, why)


def build() -> TerminalTable:
    """The format."""
    return TerminalTable()
