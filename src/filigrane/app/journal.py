"""The journal of a long scan: one JSON line for each finished input, so that a killed run goes on where it stopped.

It lies beside the output as ``<output>.journal``; a torn last line (the process died while writing it) is dropped on
resuming. Its first line says what the scan was; a run with other sources or another policy does not resume it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from filigrane.app.records import Record
from filigrane.core.errors import UsageError


class Journal:
    """Finished records, durable line by line; a context manager that closes, never deletes."""

    def __init__(self, output: Path, *, key: str, resume: bool) -> None:
        """Opens the journal of ``output``; ``key`` names the configuration.

        Raises UsageError where an unfinished journal lies there and ``resume`` is False, or its key is another.
        """
        self.path = output.with_name(output.name + ".journal")
        self._done: dict[str, str] = {}
        if self.path.exists():
            if not resume:
                raise UsageError(
                    f"An unfinished scan lies in {self.path}; give --resume to go on with it, or remove the file."
                )
            self._recover(key)
        self._stream: IO[str] = self.path.open("a", encoding="utf-8")
        if self._stream.tell() == 0:
            self._write({"journal": key})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stream.close()

    def __len__(self) -> int:
        return len(self._done)

    def has(self, name: str, stamp: str) -> bool:
        """Whether the input ``name`` was finished while its file was as ``stamp`` says."""
        return name in self._done and self._done[name] == stamp

    def add(self, name: str, stamp: str, record: Record) -> None:
        """Write one finished ``record``; it survives the death of this process from here on."""
        self._write({"name": name, "stamp": stamp, "record": record})
        self._done[name] = stamp

    def records(self) -> Iterator[Record]:
        """All finished records; of an input that was looked at twice (its file had changed) the latest."""
        self._stream.flush()
        with self.path.open(encoding="utf-8") as lines:
            next(lines)
            for entry in map(json.loads, lines):
                if self._done.get(entry["name"]) == entry["stamp"]:
                    yield entry["record"]

    def remove(self) -> None:
        """Delete the journal, once its records stand in the output."""
        self._stream.close()
        self.path.unlink(missing_ok=True)

    def _write(self, entry: Record) -> None:
        self._stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._stream.flush()

    def _recover(self, key: str) -> None:
        whole = 0
        with self.path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                entry = json.loads(line)
                if whole == 0 and entry.get("journal") != key:
                    raise UsageError(
                        f"The scan in {self.path} ran with other sources, settings or policy; "
                        "finish it as it was started, or remove the file."
                    )
                if whole:
                    self._done[entry["name"]] = entry["stamp"]
                whole += len(line)
        os.truncate(self.path, whole)
