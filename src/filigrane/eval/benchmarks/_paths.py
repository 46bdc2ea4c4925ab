"""The layout of most benchmarks: folders say what a picture is, in whatever order.

One folder on the way says real or AI (see `label_of`), one may name the split; of the others, one is the generator
and the rest say what kind of picture it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filigrane.core.labels import AI, label_of
from filigrane.eval.base import About, Fault, Sample, Tell
from filigrane.eval.benchmarks._files import SPLITS, pictures, split_of


@dataclass(frozen=True, slots=True)
class Place:
    """What the folders of a picture say."""

    label: int
    generator: str
    kind: str = ""


Read = Callable[[tuple[str, ...]], Place | None]


def by_alias(generator_at: int = 0, default: str = "") -> Read:
    """A reader for folders of which one says real or AI; "0" and "1" only count where no word does.

    ``generator_at`` says which of the remaining folders is the generator (0: the first, -1: the last); ``default``
    stands in where there is none.
    """

    def read(parts: tuple[str, ...]) -> Place | None:
        labels = {part: label for part in parts if (label := label_of(part)) is not None}
        said = {part: label for part, label in labels.items() if not part.isdecimal()} or labels
        if len(set(said.values())) != 1:
            return None
        others = [part for part in parts if part not in said and part.lower() not in SPLITS]
        generator = others.pop(generator_at) if others else default
        return Place(next(iter(said.values())), generator, "/".join(others))

    return read


class PathLayout:
    """A benchmark whose folders say everything; ``read`` turns the folders of a picture into what they say."""

    def __init__(self, name: str, about: About, root: Path, read: Read) -> None:
        self.name, self.about = name, about
        self._root, self._read = root, read

    def samples(self, split: str, tell: Tell) -> Iterator[Sample]:
        """The samples of ``split``; folders that say nothing are told once each."""
        unread: Counter[str] = Counter()
        seen: set[int] = set()
        for path, parts in pictures(self._root):
            place = self._read(parts or (self._root.name,))
            if place is None:
                unread["/".join(parts) or "."] += 1
                continue
            own = split_of(parts)
            if split and own and own != split:
                continue
            seen.add(place.label)
            yield Sample(
                id=path.relative_to(self._root).as_posix(),
                label=place.label,
                path=path,
                generator=place.generator if place.label == AI else "",
                kind=place.kind if place.label == AI else (place.kind or place.generator),
            )
        for folder, count in sorted(unread.items()):
            told = "no folder on the way says real or AI, or they contradict each other"
            tell(Fault(folder, f"{count} pictures passed over: {told}"))
        for missing in sorted({0, 1} - seen):
            tell(Fault(str(self._root), f"no {'AI' if missing else 'real'} pictures; expected {self.about.layout}"))
