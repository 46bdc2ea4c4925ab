"""Chameleon: generated pictures that people took for photos."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._paths import PathLayout, by_alias

ABOUT = About(
    title="Chameleon (AIDE; Yan et al., ICLR 2025)",
    layout="{0_real,1_fake}",
    licence="academic research only, no commercial use",
    source="https://github.com/shilinyan99/AIDE, on request by mail",
)


def build(root: Path = Path()) -> PathLayout:
    """The benchmark at ``root``."""
    return PathLayout("chameleon", ABOUT, root, by_alias(default="chameleon"))
