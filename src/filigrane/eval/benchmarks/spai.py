"""SPAI's lists: one CSV file over pictures of any source, with splits."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._listed import ListLayout
from filigrane.eval.benchmarks._tables import Columns, csv_layout

ABOUT = About(
    title="SPAI lists (Karageorgiou et al., CVPR 2025)",
    layout="CSV image,class,split beside the pictures",
    licence="see source",
    source="https://github.com/mever-team/spai",
)


def build(root: Path = Path()) -> ListLayout:
    """The benchmark at ``root``: a CSV file, or a folder that holds some."""
    return csv_layout("spai", ABOUT, root, Columns(path="image", label="class", split="split"))
