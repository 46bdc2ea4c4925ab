"""JSON lines: one record a line, written as it comes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import IO

from filigrane.app.records import Record


class JsonLines:
    """One record a line."""

    thumbnail_px = 0

    def write(self, records: Iterable[Record], stream: IO[bytes]) -> None:
        """Write each record on a line of its own and flush it, so that pipes see it at once."""
        for record in records:
            stream.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            stream.flush()


def build() -> JsonLines:
    """The format."""
    return JsonLines()
