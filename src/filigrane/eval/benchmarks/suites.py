"""The suites that FerretNet, FatFormer, NPR, SAFE and RINE are tested on."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._paths import PathLayout, by_alias

ABOUT = About(
    title="Test suites of FerretNet, FatFormer, NPR, SAFE and RINE",
    layout="<suite>/<generator>/{0_real,1_fake}",
    licence="see source",
    source="the repositories of those detectors",
)


def build(root: Path = Path()) -> PathLayout:
    """The benchmark at ``root``."""
    return PathLayout("suites", ABOUT, root, by_alias(generator_at=-1))
