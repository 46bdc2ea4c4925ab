"""Any folder that says real or AI somewhere on the way to its pictures."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._paths import PathLayout, by_alias

ABOUT = About(
    title="Any folder of pictures",
    layout="…/{real,fake}/… or …/{0_real,1_fake}/… at any depth; the other folders are generator and kind",
    licence="your own",
    source="your own disk",
)


def build(root: Path = Path()) -> PathLayout:
    """The benchmark at ``root``."""
    return PathLayout("folder", ABOUT, root, by_alias())
