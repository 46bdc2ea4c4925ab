"""What holds for every architecture of detector, found by file name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from filigrane.core.errors import FiligraneError, UsageError
from filigrane.core.weights import Card, find_card, save
from filigrane.core.weights import names as weights
from filigrane.detector import models

pytest.importorskip("safetensors")


@pytest.mark.parametrize("name", models.names())
class TestEveryArchitecture:
    def test_refuses_weights_that_are_not_its_own_in_a_sentence(self, name: str, tmp_path: Path) -> None:
        card = Card("own", name, "own.safetensors", "", 192, (0.5,) * 3, (0.5,) * 3, "Apache-2.0", 1)
        with pytest.raises(FiligraneError, match=r"\.$"):
            models.load(save(card, {"none": np.ones(1)}, tmp_path))

    def test_is_trained_here_or_says_that_it_is_not(self, name: str) -> None:
        try:
            learner = models.learner(name)
        except UsageError as error:
            assert name in ("timm", "onnx") and "can't be trained" in str(error)
        except FiligraneError as error:
            pytest.skip(str(error))
        else:
            assert learner.name == name and learner.numbers > 0 and learner.hash


@pytest.mark.parametrize("card", [card for card in map(find_card, weights()) if card.architecture in models.names()])
def test_what_ships_scores_crops_of_any_size(card: Card, rng: np.random.Generator) -> None:
    detector = models.load(card)
    assert detector.name == card.architecture and detector.hash
    for height, width in ((64, 64), (100, 192)):
        scores = detector.llr(rng.integers(0, 255, (2, height, width, 3)).astype(np.uint8))
        assert scores.shape == (2,) and scores.dtype == np.float64 and np.isfinite(scores).all()
