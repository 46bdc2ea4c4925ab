"""Benchmarks whose pictures are named in a list: what one entry says, and how the file it names is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filigrane.eval.base import AI, About, Fault, Sample, Tell
from filigrane.eval.benchmarks._files import inside

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


def resolve(entries: Iterator[Entry], root: Path, split: str, about: About, tell: Tell) -> Iterator[Sample]:
    """Samples of the entries of ``split`` whose files lie under ``root``; what can't be used is told and counted."""
    passed: Counter[str] = Counter()
    for entry in entries:
        if split and entry.split and entry.split != split:
            continue
        path = inside(root, entry.written)
        reason = "leads out of the folder" if path is None else "" if path.is_file() else "the file is missing"
        if entry.label is None:
            reason = "the label says neither real nor AI"
        if reason or path is None or entry.label is None:
            passed[reason] += 1
            if passed[reason] <= MOST_TOLD:
                tell(Fault(entry.written, reason))
            continue
        yield Sample(
            id=path.relative_to(root).as_posix(),
            label=entry.label,
            path=path,
            generator=entry.generator if entry.label == AI else "",
            kind=entry.kind,
            group=entry.group,
            split=entry.split,
            licence=about.licence,
        )
    for reason, count in passed.items():
        if count > MOST_TOLD:
            tell(Fault(str(root), f"{count} entries in all passed over: {reason}"))
