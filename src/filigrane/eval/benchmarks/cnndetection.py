"""CNNDetection (ForenSynths): pictures of eleven older generators, for many of them by class."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._paths import PathLayout, by_alias

ABOUT = About(
    title="CNNDetection / ForenSynths (Wang et al., CVPR 2020)",
    layout="test/<generator>/[<class>/]{0_real,1_fake}",
    licence="CC BY-NC-SA 4.0",
    source="https://github.com/PeterWang512/CNNDetection, https://huggingface.co/datasets/sywang/CNNDetection",
)


def build(root: Path = Path()) -> PathLayout:
    """The benchmark at ``root``."""
    return PathLayout("cnndetection", ABOUT, root, by_alias())
