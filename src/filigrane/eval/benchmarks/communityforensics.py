"""Community Forensics: pictures of thousands of generators, in Parquet."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._rows import Cells, RowLayout

ABOUT = About(
    title="Community Forensics (Park and Owens, CVPR 2025)",
    layout="Parquet image_name, format, image_data (bytes), model_name, label",
    licence="CC BY 4.0 for research; each generator has its own",
    source="https://huggingface.co/datasets/OwensLab/CommunityForensics",
)


def build(root: Path = Path()) -> RowLayout:
    """The benchmark at ``root``: a Parquet file, or a folder that holds some."""
    return RowLayout(
        "communityforensics", ABOUT, root, Cells(image=("image_data",), label=("label",), generator=("model_name",))
    )
