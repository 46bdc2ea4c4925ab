"""AIGCDetectBenchmark: sixteen generators with their own real pictures."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._paths import PathLayout, by_alias

ABOUT = About(
    title="AIGCDetectBenchmark (PatchCraft)",
    layout="<generator>/[<class>/]{0_real,1_fake}",
    licence="see source",
    source="https://github.com/Ekko-zn/AIGCDetectBenchmark",
)


def build(root: Path = Path()) -> PathLayout:
    """The benchmark at ``root``."""
    return PathLayout("aigcdetect", ABOUT, root, by_alias())
