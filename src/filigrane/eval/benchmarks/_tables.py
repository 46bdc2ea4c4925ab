"""Benchmarks that are a CSV file beside the pictures; every variant is a choice of columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filigrane.core.errors import UnreadableInput
from filigrane.core.labels import AI, label_of
from filigrane.eval.base import About, Fault, Tell
from filigrane.eval.benchmarks._listed import Entry, ListLayout, Lists


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column says what; one that is empty is not there.

    Where ``typed``, the label column holds ``real…`` for real pictures and the generator's name for others.
    """

    path: str
    label: str
    typed: bool = False
    generator: str = ""
    group: str = ""
    split: str = ""

    def entries(self, table: Path, tell: Tell) -> Iterator[Entry]:
        """The rows of ``table``; raises UnreadableInput, and tells of a table without the columns."""
        try:
            with table.open(encoding="utf-8-sig", newline="") as lines:
                rows = csv.DictReader(lines, restval="")
                lacking = {self.path, self.label} - set(rows.fieldnames or ())
                if lacking:
                    tell(Fault(table.name, f"passed over: it has no column {', '.join(sorted(lacking))}"))
                    return
                yield from map(self._entry, rows)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UnreadableInput(f"{table} can't be read as CSV ({error}); export it as UTF-8.") from error

    def _entry(self, row: dict[str, str]) -> Entry:
        word = row[self.label].strip()
        label = label_of(word)
        if self.typed and word:
            label = 0 if word.lower().startswith("real") else AI
        return Entry(
            written=row[self.path],
            label=label,
            generator=word if self.typed else row.get(self.generator, ""),
            kind=word if self.typed and label == 0 and word.lower() != "real" else "",
            group=row.get(self.group, ""),
            split=row.get(self.split, ""),
        )


def csv_layout(name: str, about: About, root: Path, columns: Columns) -> ListLayout:
    """All CSV files with the right columns at or under ``root``; paths are relative to the file that names them."""
    return ListLayout(name, about, root, Lists((".csv",), columns.entries))
