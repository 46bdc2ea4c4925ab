"""WebDataset shards: pictures in tar files, described by ``manifest.csv`` beside them or by their neighbours inside.

Pictures are read from their place in the shard, so that nothing is unpacked and nothing is in memory twice.
"""

from __future__ import annotations

import csv
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from filigrane.core.errors import UnreadableInput
from filigrane.core.labels import AI, label_of
from filigrane.eval.base import About, Fault, Sample, Tell
from filigrane.eval.benchmarks._files import files, is_picture, within, word
from filigrane.eval.benchmarks._json import as_map
from filigrane.eval.benchmarks._rows import split_of_file

ABOUT = About(
    title="WebDataset shards",
    layout="*.tar with manifest.csv (shard, file, label, split, source, kind, group), or <key>.json or .cls inside",
    licence="as the manifest says of each picture",
    source="your own disk",
)
_MOST_NOTE_BYTES = 2**20

Place = tuple[int, int]


class WebDataset:
    """The shards at or under ``root``."""

    name = "webdataset"
    about = ABOUT

    def __init__(self, root: Path) -> None:
        self._root = root

    def samples(self, split: str, tell: Tell) -> Iterator[Sample]:
        """The samples of ``split``; shards and pictures that the manifest names and nobody has are told."""
        manifest = self._root / "manifest.csv"
        if manifest.is_file():
            yield from self._listed(manifest, split, tell)
            return
        shards = files(self._root, ".tar")
        if not shards:
            tell(Fault(str(self._root), f"no tar file; expected {ABOUT.layout}"))
        for shard in shards:
            own = split_of_file(shard)
            if not split or not own or own == split:
                yield from _described(shard, within(self._root, shard), tell)

    def _listed(self, manifest: Path, split: str, tell: Tell) -> Iterator[Sample]:
        shards: dict[str, dict[str, Place]] = {}
        try:
            with manifest.open(encoding="utf-8-sig", newline="") as lines:
                for row in csv.DictReader(lines, restval=""):
                    if split and row.get("split", split) != split:
                        continue
                    path = self._root / Path(row["shard"]).name
                    if path.name not in shards:
                        shards[path.name] = _places(path, tell)
                    places = shards[path.name]
                    label, place = label_of(row["label"]), places.get(row["file"])
                    if label is None or (place is None and places):
                        why = "the shard has no such file" if place is None else "the label says neither real nor AI"
                        tell(Fault(f"{path.name}!{row['file']}", why))
                    elif place is not None:
                        yield _sample(row, f"{path.name}!{row['file']}", path, place, label)
        except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
            raise UnreadableInput(f"{manifest} can't be read ({error!r}); expected {ABOUT.layout}.") from error


def _sample(row: dict[str, str], name: str, shard: Path, place: Place, label: int) -> Sample:
    generator = row.get("source", "") if label == AI else ""
    return Sample(name, label, shard, generator, row.get("kind", ""), row.get("group", ""), span=place)


def _places(shard: Path, tell: Tell) -> dict[str, Place]:
    """Where each file lies in the shard: offset and size; empty, and told, where there is no such shard."""
    if not shard.is_file():
        tell(Fault(shard.name, "the shard is missing; its pictures are passed over"))
        return {}
    try:
        with tarfile.open(shard, "r:") as archive:
            return {
                item.name: (item.offset_data, item.size) for item in archive if item.isreg() and not item.issparse()
            }
    except (tarfile.TarError, OSError) as error:
        raise UnreadableInput(f"{shard} is no plain tar file ({error}); unpack compressed ones.") from error


def _described(shard: Path, shard_name: str, tell: Tell) -> Iterator[Sample]:
    """The pictures of a shard whose neighbours ``<key>.json`` or ``<key>.cls`` say what they are."""
    places = _places(shard, tell)
    unlabelled = 0
    for name, place in places.items():
        if not is_picture(name):
            continue
        note = _note(shard, places, name.rpartition(".")[0])
        label = label_of(note.get("label", ""))
        if label is None:
            unlabelled += 1
            continue
        yield _sample(note, f"{shard_name}!{name}", shard, place, label)
    if unlabelled:
        tell(Fault(shard_name, f"{unlabelled} pictures passed over: no .json or .cls beside them says real or AI"))


def _note(shard: Path, places: dict[str, Place], key: str) -> dict[str, str]:
    for ending in (".json", ".cls"):
        offset, size = places.get(key + ending, (0, 0))
        if not 0 < size <= _MOST_NOTE_BYTES:
            continue
        with shard.open("rb") as file:
            file.seek(offset)
            text = file.read(size).decode("utf-8", "replace")
        if ending == ".cls":
            return {"label": text}
        try:
            note = {name: word(value) for name, value in as_map(json.loads(text)).items()}
        except (ValueError, RecursionError):
            continue
        return {**note, "source": note.get("source") or note.get("generator", "")}
    return {}


def build(root: Path = Path()) -> WebDataset:
    """The shards at ``root``."""
    return WebDataset(root)
