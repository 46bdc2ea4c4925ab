"""The lists of GRIP's detectors: the type column is real or names the generator."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._listed import ListLayout
from filigrane.eval.benchmarks._tables import Columns, csv_layout

ABOUT = About(
    title="ClipBased / GRIP lists (Cozzolino et al., 2024)",
    layout="CSV filename,typ beside the pictures; typ is real… or a generator",
    licence="see source",
    source="https://github.com/grip-unina/ClipBased-SyntheticImageDetection",
)


def build(root: Path = Path()) -> ListLayout:
    """The benchmark at ``root``: a CSV file, or a folder that holds some."""
    return csv_layout("clipbased", ABOUT, root, Columns(path="filename", label="typ", typed=True))
