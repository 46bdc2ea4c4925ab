"""CIFAKE: CIFAR-10 and its imitation by Stable Diffusion 1.4, 32 x 32 pixels."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._paths import PathLayout, by_alias

ABOUT = About(
    title="CIFAKE (Bird and Lotfi, 2023)",
    layout="{train,test}/{REAL,FAKE}",
    licence="MIT, as CIFAR-10",
    source="https://www.kaggle.com/datasets/birdy654/cifake-real-and-ai-generated-synthetic-images",
)


def build(root: Path = Path()) -> PathLayout:
    """The benchmark at ``root``."""
    return PathLayout("cifake", ABOUT, root, by_alias(default="stable-diffusion-1.4"))
