"""WildRF: real and generated pictures as three social networks deliver them; the network stands for the generator."""

from __future__ import annotations

from pathlib import Path

from filigrane.eval.base import About
from filigrane.eval.benchmarks._paths import PathLayout, by_alias

ABOUT = About(
    title="WildRF (Cavia et al., 2024)",
    layout="test/{reddit,twitter,facebook}/{0_real,1_fake}",
    licence="see source",
    source="the repository of Real-Time Deepfake Detection in the Real World (LaDeDa)",
)


def build(root: Path = Path()) -> PathLayout:
    """The benchmark at ``root``."""
    return PathLayout("wildrf", ABOUT, root, by_alias())
