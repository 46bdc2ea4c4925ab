"""DeepfakeBench and DF40: frames of videos, listed in one JSON file per data set; paths may come from Windows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filigrane.core.labels import AI, REAL, label_of
from filigrane.eval.base import About, Fault, Tell
from filigrane.eval.benchmarks._json import as_list, as_map, read_json
from filigrane.eval.benchmarks._listed import Entry, ListLayout, Lists

ABOUT = About(
    title="DeepfakeBench (Yan et al., NeurIPS 2023) and DF40 (Yan et al., NeurIPS 2024)",
    layout="dataset_json/<NAME>.json: {NAME: {label: {split: [{c23|c40}:] {video: {label, frames: [paths]}}}}}",
    licence="see source (those of the data sets behind it)",
    source="https://github.com/SCLBD/DeepfakeBench, https://github.com/YZY-stack/DF40",
)


def _read(path: Path, tell: Tell) -> Iterator[Entry]:
    """The frames that a list names; those of a video belong together."""
    content = read_json(path)
    if not as_map(content):
        tell(Fault(path.name, "passed over: it is no object of data sets"))
    for name, labels in as_map(content).items():
        for word, splits in as_map(labels).items():
            for split, videos in as_map(splits).items():
                for video, entry, compression in _videos(as_map(videos)):
                    label = _label(str(entry.get("label", word)), word)
                    for frame in as_list(entry.get("frames")):
                        group = f"{name}/{word}/{video}"
                        yield Entry(str(frame), label, word, "/".join(filter(None, (name, compression))), group, split)


def _videos(videos: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Videos with their entry, and the compression where there is a level of it between."""
    for name, value in videos.items():
        inner = as_map(value)
        if "frames" in inner:
            yield name, inner, ""
        else:
            yield from ((video, as_map(entry), name) for video, entry in inner.items())


def _label(own: str, word: str) -> int | None:
    """Real or AI, from the video's own label (such as FF-DF, CelebDFv1_real) or else that of its branch."""
    for text in (own, word):
        if (label := label_of(text)) is not None:
            return label
        if any(part in ("real", "original") for part in text.lower().replace("-", "_").split("_")):
            return REAL
    return AI if word else None


def _base(path: Path) -> Path:
    return path.parent.parent if path.parent.name == "dataset_json" else path.parent


def build(root: Path = Path()) -> ListLayout:
    """The benchmark at ``root``, the folder that holds ``dataset_json`` and the frames."""
    return ListLayout("deepfakebench", ABOUT, root, Lists((".json",), _read, _base))
