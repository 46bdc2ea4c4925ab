"""Labelled pictures to learn from: tar shards with a manifest, or plain folders, read as a stream.

A manifest has one row per picture with at least ``file, label, source, group`` (``label`` 1 is AI); ``shard`` names the
tar file it lies in, or is empty where it lies in the folder itself. A plain folder has the classes as folder names
(``0_real``/``1_fake`` and their usual spellings) anywhere in the path, and the folder below as the source.
"""

from __future__ import annotations

import csv
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import FiligraneError, UsageError
from filigrane.core.formats import EXTENSIONS
from filigrane.core.image import Limits, decode
from filigrane.core.labels import label_of
from filigrane.core.values import Picture, Pixels

_LIMITS = Limits(max_bytes=64 * 2**20, max_pixels=64_000_000, max_total_pixels=64_000_000)


@dataclass(frozen=True, slots=True)
class Entry:
    """One labelled picture: where it lies, its class (1 is AI), and what it must be kept together with.

    ``source`` is the generator or photo set, ``group`` stays on one side of any split, ``long_side_px`` is that of
    the picture it was cut from, 0 where unknown.
    """

    root: Path
    shard: str
    file: str
    label: int
    source: str
    group: str
    kind: str = ""
    split: str = "train"
    long_side_px: int = 0
    licence: str = ""


def entries(root: Path, *, split: str = "train") -> tuple[Entry, ...]:
    """The pictures of one split of a corpus, in shard order; UsageError where ``root`` is not a corpus."""
    manifest = root / "manifest.csv"
    found = _listed(manifest, split) if manifest.is_file() else _found(root)
    if not found:
        raise UsageError(
            f"{root} holds no pictures of the split {split!r}: give a folder with manifest.csv or class folders."
        )
    return tuple(sorted(found, key=lambda entry: (entry.shard, entry.file)))


def _listed(manifest: Path, split: str) -> list[Entry]:
    try:
        with manifest.open(newline="", encoding="utf-8") as stream:
            return [_row(manifest.parent, row) for row in csv.DictReader(stream) if row.get("split", split) == split]
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise UsageError(f"{manifest} needs the columns file, label (0 or 1), source and group ({error}).") from error


def _row(root: Path, row: dict[str, str]) -> Entry:
    label = int(row["label"])
    if label not in (0, 1):
        raise ValueError(f"label {label}")
    return Entry(
        root=root,
        shard=row.get("shard", ""),
        file=row["file"],
        label=label,
        source=row["source"],
        group=row.get("repo") or row["group"],
        kind=row.get("kind", ""),
        split=row.get("split", "train"),
        long_side_px=max(int(row.get("origin_width") or 0), int(row.get("origin_height") or 0)),
        licence=row.get("licence", ""),
    )


def _found(root: Path) -> list[Entry]:
    endings = {ending for group in EXTENSIONS.values() for ending in group}
    found = []
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts[:-1]
        label = next((said for part in parts if (said := label_of(part)) is not None), None)
        if label is not None and path.suffix.lower() in endings:
            rest = "/".join(part for part in parts if label_of(part) is None) or "unnamed"
            found.append(Entry(root, "", str(path.relative_to(root)), label, rest, f"{label}/{rest}"))
    return found


def stream(chosen: Iterable[Entry]) -> Iterator[tuple[Entry, Pixels]]:
    """Each entry with its pixels, uint8 (H, W, 3), as `pictures` reads them."""
    for entry, picture in pictures(chosen):
        yield entry, picture.pixels


def pictures(chosen: Iterable[Entry]) -> Iterator[tuple[Entry, Picture]]:
    """Each entry with its picture, shard by shard; entries that are missing or broken are left out.

    Raises UsageError for a shard that is missing, broken or outside of its corpus.
    """
    shards: dict[tuple[Path, str], dict[str, Entry]] = defaultdict(dict)
    for entry in chosen:
        shards[entry.root, entry.shard][entry.file] = entry
    for (root, shard), wanted in shards.items():
        for name, data in _members(root, shard, wanted) if shard else _files(root, wanted):
            picture = _decoded(data)
            if picture is not None:
                yield wanted[name], picture


def _members(root: Path, shard: str, wanted: dict[str, Entry]) -> Iterator[tuple[str, bytes]]:
    path = (root / shard).resolve()
    try:
        if not path.is_relative_to(root.resolve()):
            raise ValueError("it lies outside")
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and member.name in wanted and member.size <= _LIMITS.max_bytes:
                    content = archive.extractfile(member)
                    if content is not None:
                        yield member.name, content.read()
    except (OSError, ValueError, tarfile.TarError) as error:
        raise UsageError(f"The corpus {root} has no readable shard {shard!r} ({error}); mend its manifest.") from error


def _files(root: Path, wanted: dict[str, Entry]) -> Iterator[tuple[str, bytes]]:
    for name in wanted:
        path = (root / name).resolve()
        if path.is_relative_to(root.resolve()) and path.is_file():
            yield name, path.read_bytes()


def stamp(entry: Entry) -> tuple[int, int]:
    """Size in bytes and time of change in ns of the file or shard that holds ``entry``; zeros where there is none."""
    try:
        status = (entry.root / (entry.shard or entry.file)).stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def weights(chosen: Sequence[Entry]) -> NDArray[np.float64]:
    """Sampling weights (N,), sum 1: both classes alike, and within a class each source by the root of its size.

    The root is the compromise between many pictures and many sources; a source is a place that pictures come from.
    """
    sizes = Counter((entry.label, entry.group) for entry in chosen)
    raw = np.array([sizes[entry.label, entry.group] ** -0.5 for entry in chosen])
    labels = np.array([entry.label for entry in chosen])
    for label in (0, 1):
        raw[labels == label] /= max(raw[labels == label].sum(), 1e-12)
    return np.asarray(raw / raw.sum(), np.float64)


def _decoded(data: bytes) -> Picture | None:
    try:
        return decode(data, limits=_LIMITS)
    except FiligraneError:
        return None
