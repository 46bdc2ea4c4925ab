"""Tables with pictures in their cells (Parquet, Arrow), read in small batches: no file is ever in memory whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filigrane.core.errors import MissingExtra, UnreadableInput
from filigrane.core.labels import AI, label_of
from filigrane.eval.base import About, Fault, Sample, Tell
from filigrane.eval.benchmarks._files import SPLITS, files, within, word

BATCH_ROWS = 32


@dataclass(frozen=True, slots=True)
class Cells:
    """Which columns say what, the first that is there counting; ``generator`` and ``group`` may be absent."""

    image: tuple[str, ...]
    label: tuple[str, ...]
    generator: tuple[str, ...] = ()
    group: tuple[str, ...] = ()


class RowLayout:
    """A benchmark that is the Parquet files at or under ``root``, their names saying the split."""

    def __init__(self, name: str, about: About, root: Path, cells: Cells) -> None:
        self.name, self.about = name, about
        self._root, self._cells = root, cells

    def samples(self, split: str, tell: Tell) -> Iterator[Sample]:
        """The samples of ``split``; rows without picture or label are told."""
        tables = files(self._root, ".parquet")
        if not tables:
            tell(Fault(str(self._root), f"no Parquet file; expected {self.about.layout}"))
        for path in tables:
            yield from rows(path, within(self._root, path), self._cells, split, tell)

    def count(self, split: str) -> int:
        """How many rows there are."""
        return count(files(self._root, ".parquet"), split)


def count(tables: Iterable[Path], split: str) -> int:
    """How many rows of ``split`` the files ``tables`` have, by their footers or headers; damaged ones count 0."""
    pyarrow = _arrow()
    total = 0
    for path in tables:
        with suppress(OSError, pyarrow.ArrowException):
            total += _length(path) if _belongs(path, split) else 0
    return total


def _length(path: Path) -> int:
    pyarrow = _arrow()
    if path.suffix == ".parquet":
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    with pyarrow.memory_map(str(path)) as source, pyarrow.ipc.open_stream(source) as stream:
        return sum(batch.num_rows for batch in stream)


def _belongs(path: Path, split: str) -> bool:
    own = split_of_file(path)
    return not split or not own or own == split


def rows(path: Path, name: str, cells: Cells, split: str, tell: Tell) -> Iterator[Sample]:
    """The samples in the file ``path``, called ``name``, that belong to ``split``."""
    if not _belongs(path, split):
        return
    told = 0
    for number, (row, names) in enumerate(_read(path, cells, tell)):
        data = _bytes(_first(row, cells.image))
        label = _label(_first(row, cells.label), names)
        if data is None or label is None:
            told += 1
            if told == 1:
                what = "holds no picture" if data is None else "says neither real nor AI"
                tell(Fault(f"{name} row {number}", f"{what}; further rows like it are passed over without a word"))
            continue
        yield Sample(
            id=f"{name}#{number}",
            label=label,
            path=path,
            generator=word(_first(row, cells.generator)) if label == AI else "",
            group=word(_first(row, cells.group)),
            data=data,
        )


def split_of_file(path: Path) -> str:
    """The split that a file belongs to, by the start of its name or its folder.

    >>> split_of_file(Path("data/train-00000-of-00002.parquet"))
    'train'
    """
    start = path.name.replace("_", "-").split("-")[0].split(".")[0]
    return next((word for word in (start, path.parent.name) if word.lower() in SPLITS), "")


def _read(path: Path, cells: Cells, tell: Tell) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Rows as dictionaries of the wanted columns, with the names of the classes where the file states them."""
    pyarrow = _arrow()
    try:
        for batch, names in _batches(path, cells, tell):
            for row in batch.to_pylist():
                yield row, names
    except (OSError, pyarrow.ArrowException) as error:
        raise UnreadableInput(f"{path} can't be read ({error}); fetch it again.") from error


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("Reading Parquet and Arrow", "evaluate") from error
    return pyarrow


def _batches(path: Path, cells: Cells, tell: Tell) -> Iterator[tuple[Any, list[str]]]:
    pyarrow = _arrow()
    wanted = {*cells.image, *cells.label, *cells.generator, *cells.group}
    if path.suffix == ".parquet":
        with pyarrow.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            columns = [name for name in schema.names if name in wanted]
            if _complete(path, columns, cells, tell):
                for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
                    yield batch, class_names(schema.metadata, cells.label)
        return
    with pyarrow.memory_map(str(path)) as source, pyarrow.ipc.open_stream(source) as stream:
        columns = [name for name in stream.schema.names if name in wanted]
        if _complete(path, columns, cells, tell):
            for batch in stream:
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    part = batch.select(columns).slice(start, BATCH_ROWS)
                    yield part, class_names(stream.schema.metadata, cells.label)


def _complete(path: Path, columns: list[str], cells: Cells, tell: Tell) -> bool:
    for options in (cells.image, cells.label):
        if not set(options) & set(columns):
            tell(Fault(path.name, f"passed over: it has no column {' or '.join(options)}"))
            return False
    return True


def class_names(metadata: dict[bytes, bytes] | None, label: tuple[str, ...]) -> list[str]:
    """Names of the classes that a Hugging Face schema states for the label column; empty where it states none."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return next(list(map(str, features[name]["names"])) for name in label if "names" in features.get(name, {}))
    except (ValueError, KeyError, TypeError, StopIteration):
        return []


def _first(row: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _bytes(cell: Any) -> bytes | None:
    """The picture in a cell: bytes, or the ``{bytes, path}`` of Hugging Face."""
    value = cell.get("bytes") if isinstance(cell, dict) else cell
    return value if isinstance(value, bytes) and value else None


def _label(cell: Any, names: list[str]) -> int | None:
    if isinstance(cell, int) and not isinstance(cell, bool) and 0 <= cell < len(names):
        return label_of(names[cell])
    return label_of(word(cell))
