"""SynthWildX: pictures found on X, by address; those not fetched are told as missing."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._listed import ListLayout
from filigrane.eval.benchmarks._tables import Columns, csv_layout

ABOUT = About(
    title="SynthWildX (Cozzolino et al., 2024)",
    layout="CSV url,filename,typ beside the pictures fetched",
    licence="see source",
    source="https://github.com/grip-unina/ClipBased-SyntheticImageDetection",
)


def build(root: Path = Path()) -> ListLayout:
    """The benchmark at ``root``: a CSV file, or a folder that holds some."""
    return csv_layout("synthwildx", ABOUT, root, Columns(path="filename", label="typ", typed=True))
