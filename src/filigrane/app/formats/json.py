"""JSON: one array of records."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import IO

from filigrane.app.records import Record


class JsonArray:
    """One array of records, indented."""

    thumbnail_px = 0

    def write(self, records: Iterable[Record], stream: IO[bytes]) -> None:
        """Write the array element by element."""
        separator = b"[\n"
        for record in records:
            stream.write(separator + json.dumps(record, ensure_ascii=False, indent=2).encode())
            separator = b",\n"
        stream.write(b"\n]\n" if separator == b",\n" else b"[]\n")


def build() -> JsonArray:
    """The format."""
    return JsonArray()
