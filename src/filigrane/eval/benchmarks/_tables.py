"""Benchmarks that are a CSV file beside the pictures; every variant is a choice of columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filigrane.core.errors import UnreadableInput
from filigrane.eval.base import AI, About, Fault, Sample, Tell
from filigrane.eval.benchmarks._files import files, label_of
from filigrane.eval.benchmarks._listed import Entry, resolve


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


class CsvLayout:
    """All CSV files with the right columns at or under ``root``; paths are relative to the file that names them."""

    def __init__(self, name: str, about: About, root: Path, columns: Columns) -> None:
        self.name, self.about = name, about
        self._root, self._columns = root, columns

    def samples(self, split: str, tell: Tell) -> Iterator[Sample]:
        """The samples of ``split``; missing files and unreadable labels are told."""
        tables = files(self._root, ".csv")
        if not tables:
            tell(Fault(str(self._root), f"no CSV file; expected {self.about.layout}"))
        for table in tables:
            yield from resolve(self._entries(table, tell), table.parent, split, self.about, tell)

    def _entries(self, table: Path, tell: Tell) -> Iterator[Entry]:
        columns = self._columns
        try:
            with table.open(encoding="utf-8-sig", newline="") as lines:
                rows = csv.DictReader(lines)
                lacking = {columns.path, columns.label} - set(rows.fieldnames or ())
                if lacking:
                    tell(Fault(table.name, f"passed over: it has no column {', '.join(sorted(lacking))}"))
                    return
                for row in rows:
                    yield self._entry(row)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UnreadableInput(f"{table} can't be read as CSV ({error}); export it as UTF-8.") from error

    def _entry(self, row: dict[str, str]) -> Entry:
        columns = self._columns
        word = (row.get(columns.label) or "").strip()
        label = label_of(word)
        if columns.typed and word:
            label = 0 if word.lower().startswith("real") else AI
        generator = row.get(columns.generator) if columns.generator else word if columns.typed else ""
        real_kind = word if columns.typed and label == 0 and word.lower() != "real" else ""
        return Entry(
            written=row.get(columns.path) or "",
            label=label,
            generator=generator or "",
            kind=real_kind,
            group=(row.get(columns.group) or "") if columns.group else "",
            split=(row.get(columns.split) or "") if columns.split else "",
        )
