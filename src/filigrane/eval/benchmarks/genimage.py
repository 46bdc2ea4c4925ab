"""GenImage: a million pairs of ImageNet photos and pictures of eight generators."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._paths import PathLayout, by_alias

ABOUT = About(
    title="GenImage (Zhu et al., NeurIPS 2023)",
    layout="<Generator>/{train,val}/{ai,nature}",
    licence="see source",
    source="https://github.com/GenImage-Dataset/GenImage",
)


def build(root: Path = Path()) -> PathLayout:
    """The benchmark at ``root``."""
    return PathLayout("genimage", ABOUT, root, by_alias())
