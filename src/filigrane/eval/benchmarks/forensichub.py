"""ForensicHub's lists: a JSON array of paths and labels, relative to the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from filigrane.eval.base import About, Fault, Sample, Tell
from filigrane.eval.benchmarks._files import files, label_of
from filigrane.eval.benchmarks._json import as_list, as_map, read_json
from filigrane.eval.benchmarks._listed import Entry, resolve

ABOUT = About(
    title="ForensicHub lists (Du et al., 2025)",
    layout='JSON [{"path": …, "label": 0 or 1}, …], paths relative to the file',
    licence="see source",
    source="https://github.com/scu-zjz/ForensicHub",
)


class ForensicHub:
    """The lists at or under ``root``."""

    name = "forensichub"
    about = ABOUT

    def __init__(self, root: Path) -> None:
        self._root = root

    def samples(self, split: str, tell: Tell) -> Iterator[Sample]:
        """The samples; lists name no split."""
        lists = files(self._root, ".json")
        if not lists:
            tell(Fault(str(self._root), f"no JSON file; expected {ABOUT.layout}"))
        for path in lists:
            entries = as_list(read_json(path))
            if not entries:
                tell(Fault(path.name, "passed over: it is no array of entries"))
            yield from resolve(map(_entry, entries), path.parent, split, ABOUT, tell)


def _entry(value: object) -> Entry:
    item = as_map(value)
    written = str(item.get("path", ""))
    folders = written.replace("\\", "/").split("/")[:-1]
    names = [name for name in folders if name and label_of(name) is None]
    return Entry(written, label_of(str(item.get("label", ""))), generator=names[-1] if names else "")


def build(root: Path = Path()) -> ForensicHub:
    """The benchmark at ``root``: a JSON file, or a folder that holds some."""
    return ForensicHub(root)
