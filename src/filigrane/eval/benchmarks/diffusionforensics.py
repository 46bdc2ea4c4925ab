"""DiffusionForensics: real pictures of three sets beside those of a dozen diffusion models."""

from __future__ import annotations

from pathlib import Path

from filigrane.core.labels import AI, REAL
from filigrane.eval.base import About
from filigrane.eval.benchmarks._files import SPLITS
from filigrane.eval.benchmarks._paths import PathLayout, Place

ABOUT = About(
    title="DiffusionForensics (DIRE; Wang et al., ICCV 2023)",
    layout="images/{train,val,test}/<set>/[<synset>/]{real,adm,…}",
    licence="see source",
    source="https://github.com/ZhendongWang6/DIRE",
)
_SETS = ("imagenet", "lsun_bedroom", "celebahq")


def _read(parts: tuple[str, ...]) -> Place | None:
    names = [part for part in parts if part != "images" and part not in SPLITS]
    group = next((name for name in names if name in _SETS), names[0] if len(names) > 1 else "")
    inner = [name for name in names if name != group]
    if not inner:
        return None
    if "real" in inner:
        return Place(REAL, "", group)
    models = [name for name in inner if not (name.startswith("n0") and name[1:].isdigit())]
    return Place(AI, models[-1], group) if models else None


def build(root: Path = Path()) -> PathLayout:
    """The benchmark at ``root``."""
    return PathLayout("diffusionforensics", ABOUT, root, _read)
