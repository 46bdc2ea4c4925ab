"""A million scores in columns: what was scored, how, and what it really is.

Words that repeat (generators, kinds, groups, deliveries) are stored once and referred to by number, so that a million
rows take some hundred bytes each less than as objects, and selecting is a comparison of integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import MissingExtra, UnreadableInput
from filigrane.eval.metrics import Float, Index, Labels

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """A column of words: ``codes`` (N,) into ``names``."""

    codes: Index
    names: tuple[str, ...]

    @classmethod
    def of(cls, words: Iterable[str]) -> Self:
        """The column of ``words``.

        >>> Words.of(["b", "a", "b"]).codes.tolist()
        [0, 1, 0]
        """
        known: dict[str, int] = {}
        codes = np.fromiter((known.setdefault(word, len(known)) for word in words), np.intp)
        return cls(codes, tuple(known))

    def take(self, rows: Index) -> Self:
        """The rows at the places ``rows``."""
        return replace(self, codes=self.codes[rows])

    def equal(self, name: str) -> Mask:
        """Where the column says ``name``."""
        return np.asarray(self.codes == (self.names.index(name) if name in self.names else -1))

    def present(self) -> tuple[str, ...]:
        """The names that occur, sorted."""
        return tuple(sorted(self.names[code] for code in np.unique(self.codes)))

    def __iter__(self) -> Iterator[str]:
        return (self.names[code] for code in self.codes)


@dataclass(frozen=True, slots=True)
class Scored:
    """One row: one sample under one delivery."""

    id: str
    sha256: str
    label: int
    score: float
    generator: str = ""
    kind: str = ""
    group: str = ""
    delivery: str = "none"


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Rows in columns; ``label`` is 1 for AI, a higher ``score`` means AI, rows of one ``group`` belong together."""

    id: Sequence[str]
    sha256: Sequence[str]
    label: Labels
    score: Float
    generator: Words
    kind: Words
    group: Words
    delivery: Words

    @classmethod
    def of(cls, rows: Iterable[Scored]) -> Self:
        """The columns of ``rows``."""
        table = list(rows)
        return cls(
            id=[row.id for row in table],
            sha256=[row.sha256 for row in table],
            label=np.array([row.label for row in table], np.int8),
            score=np.array([row.score for row in table], np.float64),
            generator=Words.of(row.generator for row in table),
            kind=Words.of(row.kind for row in table),
            group=Words.of(row.group for row in table),
            delivery=Words.of(row.delivery for row in table),
        )

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: Index) -> Self:
        """The rows at the places ``rows``, in that order."""
        return replace(
            self,
            id=[self.id[int(row)] for row in rows],
            sha256=[self.sha256[int(row)] for row in rows],
            label=self.label[rows],
            score=self.score[rows],
            generator=self.generator.take(rows),
            kind=self.kind.take(rows),
            group=self.group.take(rows),
            delivery=self.delivery.take(rows),
        )

    def select(self, mask: Mask) -> Self:
        """The rows where ``mask`` (N,) holds."""
        return self.take(np.flatnonzero(mask))

    def clusters(self) -> Index:
        """Which rows belong together: their group; rows without one are alone with their picture."""
        alone = self.group.equal("")
        clusters = self.group.codes.copy()
        own = Words.of(self.sha256[int(row)] for row in np.flatnonzero(alone))
        clusters[alone] = own.codes + len(self.group.names)
        return clusters

    def save(self, path: Path) -> None:
        """Write the rows as Parquet, words as dictionaries."""
        pyarrow, parquet = _arrow()
        columns: dict[str, Any] = {
            "id": list(self.id),
            "sha256": list(self.sha256),
            "label": pyarrow.array(self.label),
            "score": pyarrow.array(self.score),
        }
        for name in ("generator", "kind", "group", "delivery"):
            words: Words = getattr(self, name)
            columns[name] = pyarrow.DictionaryArray.from_arrays(words.codes.astype(np.int32), list(words.names))
        parquet.write_table(pyarrow.table(columns), path, compression="zstd")

    @classmethod
    def load(cls, path: Path) -> Self:
        """The rows that `save` wrote; raises UnreadableInput where the file is not one of those."""
        pyarrow, parquet = _arrow()
        try:
            table = parquet.read_table(path)
            label, score = (table.column(name).to_numpy() for name in ("label", "score"))
            return cls(
                id=table.column("id").to_pylist(),
                sha256=table.column("sha256").to_pylist(),
                label=label.astype(np.int8),
                score=score.astype(np.float64),
                generator=_words(table.column("generator")),
                kind=_words(table.column("kind")),
                group=_words(table.column("group")),
                delivery=_words(table.column("delivery")),
            )
        except (OSError, KeyError, pyarrow.ArrowException) as error:
            raise UnreadableInput(f"{path} is not a table of scores ({error}); give a folder of results.") from error


def _words(column: Any) -> Words:
    array = column.combine_chunks()
    return Words(array.indices.to_numpy(zero_copy_only=False).astype(np.intp), tuple(array.dictionary.to_pylist()))


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("Reading and writing Parquet", "evaluate") from error
    return pyarrow, pyarrow.parquet
