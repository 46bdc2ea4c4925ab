"""CSV: one row for each picture, with an empty column for the reviewer's decision."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import IO

from filigrane.app.formats._flat import COLUMNS, as_text, flat
from filigrane.app.records import Record

RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")


class Csv:
    """RFC 4180 with a header, UTF-8."""

    thumbnail_px = 0

    def write(self, records: Iterable[Record], stream: IO[bytes]) -> None:
        """Write the header, then each record as it comes."""
        with as_text(stream) as text:
            rows = csv.writer(text)
            rows.writerow([*COLUMNS, "decision"])
            for record in records:
                rows.writerow([_safe(value) for value in flat(record).values()] + [""])


def _safe(value: str | int | float | None) -> str | int | float | None:
    """Text that a spreadsheet would take for a formula is defused with a leading apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(RISKY) else value


def build() -> Csv:
    """The format."""
    return Csv()
