"""Benchmarks whose pictures are named in lists: what one entry says, and how the file it names is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from filigrane.core.labels import AI
from filigrane.eval.base import About, Fault, Sample, Tell
from filigrane.eval.benchmarks._files import files, inside, within

MOST_TOLD = 5
"""Missing files that are named one by one; the others are counted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a list: the path as written, and what the list says of it (label None: it can't be told)."""

    written: str
    label: int | None
    generator: str = ""
    kind: str = ""
    group: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True)
class Lists:
    """Files that list pictures: how their names end, their entries, and the folder that these are relative to."""

    endings: tuple[str, ...]
    read: Callable[[Path, Tell], Iterator[Entry]]
    base: Callable[[Path], Path] = attrgetter("parent")


class ListLayout:
    """A benchmark that is the ``lists`` at or under ``root`` with the pictures they name."""

    def __init__(self, name: str, about: About, root: Path, lists: Lists) -> None:
        self.name, self.about = name, about
        self._root, self._lists = root, lists

    def samples(self, split: str, tell: Tell) -> Iterator[Sample]:
        """The samples of ``split``; missing files and unreadable labels are told, the first ones by name."""
        found = files(self._root, *self._lists.endings)
        if not found:
            endings = " or ".join(self._lists.endings)
            tell(Fault(str(self._root), f"no {endings} file; expected {self.about.layout}"))
        for path in found:
            yield from self._resolved(path, split, tell)

    def _resolved(self, listing: Path, split: str, tell: Tell) -> Iterator[Sample]:
        passed: Counter[str] = Counter()
        for entry in self._lists.read(listing, tell):
            if split and entry.split and entry.split != split:
                continue
            path = inside(self._lists.base(listing), entry.written)
            reason = "leads out of the folder" if path is None else "" if path.is_file() else "the file is missing"
            if entry.label is None:
                reason = "the label says neither real nor AI"
            if reason or path is None or entry.label is None:
                passed[reason] += 1
                if passed[reason] <= MOST_TOLD:
                    tell(Fault(entry.written, reason))
                continue
            generator = entry.generator if entry.label == AI else ""
            yield Sample(within(self._root, path), entry.label, path, generator, entry.kind, entry.group)
        for reason, count in passed.items():
            if count > MOST_TOLD:
                tell(Fault(str(listing), f"{count} entries in all passed over: {reason}"))
