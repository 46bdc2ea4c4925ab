"""Synthbuster: a thousand pictures of each of nine generators, modelled on the RAISE-1k photos beside them."""

from __future__ import annotations

from pathlib import Path

from filigrane.core.labels import AI, REAL
from filigrane.eval.base import About
from filigrane.eval.benchmarks._paths import PathLayout, Place

ABOUT = About(
    title="Synthbuster (Bammey, 2023)",
    layout="synthbuster/<generator>/*.png with reals in real_RAISE_1k/",
    licence="see source",
    source="Zenodo (Synthbuster); RAISE-1k from the University of Trento",
)


def _read(parts: tuple[str, ...]) -> Place | None:
    names = [part for part in parts if part != "synthbuster"]
    if not names:
        return None
    return Place(REAL, "", names[0]) if names[0].lower().startswith("real") else Place(AI, names[0])


def build(root: Path = Path()) -> PathLayout:
    """The benchmark at ``root``."""
    return PathLayout("synthbuster", ABOUT, root, _read)
