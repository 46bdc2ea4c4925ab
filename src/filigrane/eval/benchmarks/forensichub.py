"""ForensicHub's lists: a JSON array of paths and labels, relative to the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from filigrane.core.labels import label_of
from filigrane.eval.base import About, Fault, Tell
from filigrane.eval.benchmarks._files import word
from filigrane.eval.benchmarks._json import as_list, as_map, read_json
from filigrane.eval.benchmarks._listed import Entry, ListLayout, Lists

ABOUT = About(
    title="ForensicHub lists (Du et al., 2025)",
    layout='JSON [{"path": …, "label": 0 or 1}, …], paths relative to the file',
    licence="see source",
    source="https://github.com/scu-zjz/ForensicHub",
)


def _read(path: Path, tell: Tell) -> Iterator[Entry]:
    entries = as_list(read_json(path))
    if not entries:
        tell(Fault(path.name, "passed over: it is no array of entries"))
    yield from map(_entry, entries)


def _entry(value: object) -> Entry:
    item = as_map(value)
    written = word(item.get("path"))
    folders = written.replace("\\", "/").split("/")[:-1]
    names = [name for name in folders if name and label_of(name) is None]
    return Entry(written, label_of(word(item.get("label"))), generator=names[-1] if names else "")


def build(root: Path = Path()) -> ListLayout:
    """The benchmark at ``root``: a JSON file, or a folder that holds some; lists name no split."""
    return ListLayout("forensichub", ABOUT, root, Lists((".json",), _read))
