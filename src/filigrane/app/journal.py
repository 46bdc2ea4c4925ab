"""The journal of a long scan: one JSON line for each finished input, so that a killed run goes on where it stopped.

It lies beside the output as ``<output>.journal``; a torn last line (the process died while writing it) is dropped on
resuming. Its first line says what the scan was; a run with other inputs, sources or policy does not resume it.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from filigrane.app.records import Record
from filigrane.core.errors import UsageError


class Journal:
    """Finished records, durable line by line; a context manager that leaves no journal without a record."""

    def __init__(self, output: Path, *, key: str, resume: bool) -> None:
        """Opens the journal of ``output``, which one process has at a time; ``key`` names the configuration.

        Raises UsageError where an unfinished journal lies there and ``resume`` is False, its key is another, it is
        none, or another process writes it.
        """
        self.path = output.with_name(output.name + ".journal")
        self._done: dict[str, str] = {}
        self._stream: IO[str] = self.path.open("a", encoding="ascii")
        try:
            self._lock()
            if self._stream.tell() and not resume:
                raise UsageError(
                    f"An unfinished scan lies in {self.path}; give --resume to go on with it, or remove the file."
                )
            if not self._recover(key):
                self._write({"journal": key})
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if not self._done:
            self.remove()
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
        self.path.unlink(missing_ok=True)
        self._stream.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"Another scan is writing {self.path}; wait for it, or give another output.") from error
        except OSError:  # a file system without locks
            return

    def _write(self, entry: Record) -> None:
        # In ASCII, because names of files may hold bytes that are no UTF-8, and must come back as they were.
        self._stream.write(json.dumps(entry) + "\n")
        self._stream.flush()

    def _recover(self, key: str) -> int:
        """Take note of what was finished and cut off a torn last line: the number of bytes that are left."""
        whole = 0
        with self.path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                entry = self._entry(line)
                if whole == 0 and entry.get("journal") != key:
                    raise UsageError(
                        f"The scan in {self.path} ran with other inputs, sources, settings, anchors or policy; "
                        "finish it as it was started, or remove the file."
                    )
                if whole:
                    self._done[str(entry["name"])] = str(entry["stamp"])
                whole += len(line)
        self._stream.truncate(whole)
        return whole

    def _entry(self, line: bytes) -> Record:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict) or not ("journal" in entry or {"name", "stamp", "record"} <= entry.keys()):
            raise UsageError(f"{self.path} is damaged, or no journal of a scan; remove it and start anew.")
        return entry
