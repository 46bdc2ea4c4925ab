"""UnivFD's diffusion sets: folders of generated pictures that share two folders of real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from filigrane.core.labels import AI, REAL, label_of
from filigrane.eval.base import About, Fault, Sample, Tell
from filigrane.eval.benchmarks._paths import PathLayout, Place

ABOUT = About(
    title="UnivFD diffusion sets (Ojha et al., CVPR 2023)",
    layout="diffusion_datasets/{guided,ldm_100,…,dalle}/[1_fake/] with imagenet/ (reals of guided) and laion/ (others)",
    licence="see source",
    source="https://github.com/WisconsinAIVision/UniversalFakeDetect",
)
_REALS = ("imagenet", "laion")


def _read(parts: tuple[str, ...]) -> Place | None:
    names = [part for part in parts if part != "diffusion_datasets" and label_of(part) is None]
    if not names:
        return None
    return Place(REAL, "", names[0]) if names[0] in _REALS else Place(AI, names[0])


class UnivFd:
    """The diffusion sets, the sharing of real pictures told."""

    name = "univfd"
    about = ABOUT

    def __init__(self, root: Path) -> None:
        self._paths = PathLayout(self.name, ABOUT, root, _read)

    def samples(self, split: str, tell: Tell) -> Iterator[Sample]:
        """The samples; there is one split."""
        tell(
            Fault(
                "imagenet, laion",
                "real pictures are shared: the authors pair imagenet with guided, laion with the rest",
            )
        )
        yield from self._paths.samples(split, tell)


def build(root: Path = Path()) -> UnivFd:
    """The benchmark at ``root``."""
    return UnivFd(root)
