"""Forms a scan can be written in: one file each, found by name; each has ``build() -> Format``.

A format writes records as they come, so that a million of them never stand in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Protocol

from filigrane.app.records import Record

FOLDER = "filigrane.app.formats"


class Format(Protocol):
    """One way of writing records; ``thumbnail_px`` is the size of the small pictures it shows, or 0."""

    thumbnail_px: int

    def write(self, records: Iterable[Record], stream: IO[bytes]) -> None:
        """Write all ``records`` to ``stream``."""
        ...
