"""Folders as Hugging Face ``datasets`` keeps them: Parquet shards, ``save_to_disk`` (Arrow), or pictures with metadata.

Only files that are already on disk are read, and none of the code that a data set may bring along is run.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from filigrane.core.errors import UnreadableInput
from filigrane.core.labels import label_of
from filigrane.eval.base import About, Sample, Tell
from filigrane.eval.benchmarks._files import files, split_of, within, word
from filigrane.eval.benchmarks._json import as_map
from filigrane.eval.benchmarks._listed import Entry, ListLayout, Lists
from filigrane.eval.benchmarks._paths import PathLayout, by_alias
from filigrane.eval.benchmarks._rows import Cells, count, rows

ABOUT = About(
    title="Hugging Face datasets folder",
    layout="Parquet shards, save_to_disk (Arrow), or pictures in folders with metadata.csv or metadata.jsonl",
    licence="see the data set's card",
    source="https://huggingface.co/datasets, fetched by you",
)
_CELLS = Cells(
    image=("image", "img", "image_data"),
    label=("label", "labels", "class"),
    generator=("model", "generator", "model_name", "source"),
    group=("group", "source_id", "prompt"),
)
_PATH_COLUMNS = ("file_name", "file_path", "path")


class HuggingFace:
    """The data set at ``root``, in whichever of the three forms it is."""

    name = "huggingface"
    about = ABOUT

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listed = ListLayout(self.name, ABOUT, root, _LISTS)
        self._in_folders = PathLayout(self.name, ABOUT, root, by_alias())

    def samples(self, split: str, tell: Tell) -> Iterator[Sample]:
        """The samples of ``split``; what form was found is not told, what is wrong with it is."""
        if tables := files(self._root, *_TABLES):
            for path in tables:
                yield from rows(path, within(self._root, path), _CELLS, split, tell)
        else:
            listed = bool(files(self._root, *_LISTS.endings))
            yield from (self._listed if listed else self._in_folders).samples(split, tell)

    def count(self, split: str) -> int | None:
        """How many rows the tables have; None where there are pictures in folders."""
        tables = files(self._root, *_TABLES)
        return count(tables, split) if tables else None


def _entries(path: Path, tell: Tell) -> Iterator[Entry]:
    for row in _rows(path):
        written = next((row[name] for name in _PATH_COLUMNS if row.get(name)), "")
        found = {name: next((row[key] for key in keys if row.get(key)), "") for name, keys in _meanings().items()}
        own = found["split"] or split_of((*path.parent.parts[-1:], *Path(written).parts))
        yield Entry(written, label_of(found["label"]), found["generator"], "", found["group"], own)


def _meanings() -> dict[str, tuple[str, ...]]:
    return {"label": _CELLS.label, "generator": _CELLS.generator, "group": _CELLS.group, "split": ("split",)}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            if path.suffix == ".csv":
                yield from csv.DictReader(lines)
            else:
                for line in lines:
                    yield {key: word(value) for key, value in as_map(json.loads(line)).items()}
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise UnreadableInput(f"{path} can't be read ({error}).") from error


_TABLES = (".parquet", ".arrow")
_LISTS = Lists(("metadata.csv", "metadata.jsonl"), _entries)


def build(root: Path = Path()) -> HuggingFace:
    """The data set at ``root``."""
    return HuggingFace(root)
