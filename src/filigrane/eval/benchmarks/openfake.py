"""OpenFake: pictures of current generators with their prompts, in Parquet; those of one prompt belong together."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._rows import Cells, RowLayout

ABOUT = About(
    title="OpenFake (Livernoche et al., 2025)",
    layout='Parquet image, prompt, label ("real" or "fake"), model',
    licence="CC BY-NC 4.0",
    source="https://huggingface.co/datasets/ComplexDataLab/OpenFake",
)


def build(root: Path = Path()) -> RowLayout:
    """The benchmark at ``root``: a Parquet file, or a folder that holds some."""
    return RowLayout(
        "openfake", ABOUT, root, Cells(image=("image",), label=("label",), generator=("model",), group=("prompt",))
    )
