"""What has been measured is never measured again: one SQLite file keyed by picture, subject and delivery.

A run that is killed loses at most the batch in hand; the next one finds the rest here. The subject is the hash of a
detector or a watermark method with that of the attacks, or a reader of traits, so that what changed is measured afresh.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filigrane.core.errors import UsageError

Entry = tuple[str, str, str, Any]
"""Picture sha256, subject, delivery, and a value that JSON can hold."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS measured (
    sha256 TEXT NOT NULL, subject TEXT NOT NULL, delivery TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (sha256, subject, delivery)
) WITHOUT ROWID
"""


class Cache:
    """Values by (picture, subject, delivery); a context manager. Several processes may share the file."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file; raises UsageError where it is not a cache, or its folder none."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=30)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(_SCHEMA)
        except OSError as error:
            raise UsageError(f"{path.parent} can't be a folder of results ({error.strerror}); name another.") from error
        except sqlite3.Error as error:
            raise UsageError(f"{path} can't be used as a cache ({error}); remove it or name another.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._connection.close()

    def find(self, sha256: str, subject: str) -> dict[str, Any]:
        """What is known of a picture under a subject: values by delivery."""
        query = "SELECT delivery, value FROM measured WHERE sha256 = ? AND subject = ?"
        return {delivery: json.loads(value) for delivery, value in self._connection.execute(query, (sha256, subject))}

    def add(self, entries: Iterable[Entry]) -> None:
        """Keep ``entries``; they outlive this process from here on."""
        rows = [(sha256, subject, delivery, json.dumps(value)) for sha256, subject, delivery, value in entries]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?)", rows)
