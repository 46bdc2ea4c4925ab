"""From what a person names (files, folders, globs, zip archives, ``@lists``, ``-``) to pictures to look at.

Expansion is lazy, folder by folder. What turns out to be unreadable on the way (a folder, an archive, a line of a
list) becomes an item that says so, and the rest goes on. Archives are hostile input: entries, sizes and ratio are
capped, links and nested archives are left alone.
"""

from __future__ import annotations

import fnmatch
import glob
import lzma
import os
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from filigrane.core.errors import LimitExceeded, UnreadableInput, UsageError
from filigrane.core.image import EXTENSIONS, read_file
from filigrane.core.settings import Settings

MAX_ENTRIES = 100_000
MAX_RATIO = 200
ENDINGS = frozenset(ending for endings in EXTENSIONS.values() for ending in endings)
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(KeyError, OSError, RuntimeError, ValueError),
)
"""What reading a damaged or encrypted archive raises; NotImplementedError is a RuntimeError."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to look at: a file, a member of a zip archive, or bytes that came through standard input.

    ``problem`` says why there is nothing to read, where that was found out before.
    """

    path: str
    member: str = ""
    data: bytes | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        """How reports name it: the path, with ``!member`` for a member of an archive."""
        return f"{self.path}!{self.member}" if self.member else self.path

    def stamp(self) -> str:
        """What tells that the file behind it has not changed: size and time of change; empty for standard input."""
        if self.data is not None:
            return ""
        try:
            status = Path(self.path).stat()
        except OSError:
            return ""
        return f"{status.st_size}-{status.st_mtime_ns}"

    def read(self, settings: Settings) -> bytes:
        """The bytes; UnreadableInput or LimitExceeded in one sentence where they can't be had."""
        if self.problem:
            raise UnreadableInput(self.problem)
        if self.data is not None:
            return self.data
        if not self.member:
            return read_file(Path(self.path), settings.limits)
        return _read_member(self, settings.max_bytes)


def expand(inputs: Iterable[str], *, exclude: tuple[str, ...] = (), max_bytes: int) -> Iterator[Item]:
    """The items behind ``inputs``, in a stable order, each path once.

    ``exclude`` holds glob patterns matched against the whole path and the file name. Raises UsageError for an input
    that names nothing; a line of a list that names nothing is an item with that problem.
    """
    seen: set[str] = set()
    for item in _expand_each(inputs, max_bytes):
        name = Path(item.member or item.path).name
        if item.name in seen or any(fnmatch.fnmatch(text, p) for p in exclude for text in (item.name, name)):
            continue
        seen.add(item.name)
        yield item


def _expand_each(inputs: Iterable[str], max_bytes: int) -> Iterator[Item]:
    for text in inputs:
        if text == "-":
            yield _standard_input(max_bytes)
        elif text.startswith("@"):
            for line in _lines(text[1:]):
                yield from _expand_line(line)
        else:
            yield from _expand_path(text)


def _expand_line(line: str) -> Iterator[Item]:
    """A line of a list is a path or a pattern, never standard input or another list."""
    try:
        yield from _expand_path(line)
    except UsageError as error:
        yield Item(line, problem=str(error))


def _expand_path(text: str) -> Iterator[Item]:
    path = Path(text)
    if not text:
        raise UsageError("An empty name was given; name a file or folder, or . for the folder you are in.")
    if path.is_dir():
        yield from _walk(path)
    elif path.exists():
        yield from _file(path)
    elif glob.has_magic(text):
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 (patterns may be absolute)
        if not matches:
            raise UsageError(f"The pattern {text!r} matches no file; quote it and check the folder.")
        for match in matches:
            yield from _walk(Path(match)) if Path(match).is_dir() else _file(Path(match))
    else:
        raise UsageError(f"There is no file or folder {text!r}; give files, folders, patterns, a zip, @list or -.")


def _walk(folder: Path) -> Iterator[Item]:
    """Files of a folder that look like pictures by name, or archives; links to folders are not followed."""
    lost: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=lost.append):
        folders.sort()
        for name in sorted(files):
            if Path(name).suffix.lower() in ENDINGS | {".zip"}:
                yield from _file(Path(parent) / name)
    for error in lost:
        yield Item(str(error.filename), problem=f"The folder {error.filename} can't be listed ({error.strerror}).")


def _file(path: Path) -> Iterator[Item]:
    if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
        yield from _members(path)
    else:
        yield Item(str(path))


def _members(path: Path) -> Iterator[Item]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except _ZIP_ERRORS as error:
        yield Item(str(path), problem=f"The archive {path} can't be opened ({error}); give an intact zip.")
        return
    if len(entries) > MAX_ENTRIES:
        told = f"The archive {path} has {len(entries)} entries, over the limit of {MAX_ENTRIES}; unpack it yourself."
        yield Item(str(path), problem=told)
        return
    for entry in entries:
        is_link = stat.S_ISLNK(entry.external_attr >> 16)
        if not entry.is_dir() and not is_link and Path(entry.filename).suffix.lower() in ENDINGS:
            yield Item(str(path), entry.filename)


def _read_member(item: Item, max_bytes: int) -> bytes:
    path, member = item.path, item.member
    try:
        archive = _archive(path, item.stamp())
        entry = archive.getinfo(member)
        if entry.file_size > max_bytes or entry.file_size > MAX_RATIO * max(entry.compress_size, 1024):
            raise LimitExceeded(
                f"{member} in {path} unpacks to {entry.file_size} bytes from {entry.compress_size}, over the limit "
                f"of {max_bytes} bytes or {MAX_RATIO} times its packed size; unpack it yourself if you trust it."
            )
        with archive.open(entry) as stream:
            data = stream.read(max_bytes + 1)
    except _ZIP_ERRORS as error:
        raise UnreadableInput(f"{member} can't be read from {path} ({error}); give an intact zip.") from error
    if len(data) > max_bytes:
        raise LimitExceeded(f"{member} in {path} is over the limit of {max_bytes} bytes.")
    return data


@lru_cache(maxsize=1)
def _archive(path: str, stamp: str) -> zipfile.ZipFile:
    """The archive, kept open from member to member: its directory is read once, not once for each."""
    return zipfile.ZipFile(path)


def _standard_input(max_bytes: int) -> Item:
    data = sys.stdin.buffer.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise LimitExceeded(f"Standard input is over the limit of {max_bytes} bytes.")
    return Item("-", data=data)


def _lines(name: str) -> Iterator[str]:
    try:
        with Path(name).open(encoding="utf-8", errors="surrogateescape") as lines:
            yield from (text for line in lines if (text := line.rstrip("\r\n")))
    except OSError as error:
        raise UsageError(
            f"The list {name!r} can't be read ({error}); give a text file with one path a line."
        ) from error
