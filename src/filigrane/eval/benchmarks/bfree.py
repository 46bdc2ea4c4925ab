"""B-Free's viral pictures: many copies of each, which belong together by source_id."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._listed import ListLayout
from filigrane.eval.benchmarks._tables import Columns, csv_layout

ABOUT = About(
    title="B-Free viral images (Guillaro et al., CVPR 2025)",
    layout="CSV filename,label,source_id,… beside the pictures",
    licence="see source",
    source="https://github.com/grip-unina/B-Free",
)


def build(root: Path = Path()) -> ListLayout:
    """The benchmark at ``root``: a CSV file, or a folder that holds some."""
    return csv_layout("bfree", ABOUT, root, Columns(path="filename", label="label", group="source_id"))
