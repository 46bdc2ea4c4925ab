"""Laws of aligned pairs: only real pictures are redrawn, few of each source, and a pair is never split."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.image import encode
from filigrane.detector import corpus
from filigrane.detector.pairs import write_pairs

Pixels = NDArray[np.uint8]


class Darker:
    """Stands for the autoencoder."""

    name = "darker"
    unit = "halves"
    strengths: tuple[float, ...] = (1.0,)
    bounds = (1.0, 1.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """The picture at half its brightness."""
        return pixels // 2


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    for place in ("0_real/a", "0_real/b", "1_fake/c"):
        folder = tmp_path / "in" / place
        folder.mkdir(parents=True)
        for number in range(3):
            (folder / f"{number}.png").write_bytes(encode(np.full((70, 90, 3), 200, np.uint8), "png"))
    return tmp_path / "in"


def test_redrawn_pictures_are_a_corpus_in_the_groups_of_their_originals(originals: Path, tmp_path: Path) -> None:
    entries, out = corpus.entries(originals), tmp_path / "out"
    assert write_pairs(entries, Darker(), out, np.random.default_rng(4), per_source=2) == 4
    made = dict(corpus.stream(corpus.entries(out)))
    assert Counter(entry.group for entry in made) == dict.fromkeys({e.group for e in entries if not e.label}, 2)
    assert all(entry.label == 1 and entry.long_side_px == 90 for entry in made)
    assert all(abs(int(pixels.mean()) - 100) <= 2 for pixels in made.values())
