"""A detector without a network: hand-made statistics of the finest detail, judged by boosted trees.

Weaker than the trunk, but each of its numbers means something, so it can say which kind of trace speaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filigrane.core import weights as weights_of
from filigrane.core.errors import UnreadableInput
from filigrane.core.values import Pixels
from filigrane.core.weights import Card, Tensors, load_tensors
from filigrane.detector.models._statistics import GROUPS, NUMBERS, statistics
from filigrane.detector.models._trees import Trees, from_boosting, from_tensors

_TYPICAL = "typical"


class Spectral:
    """The trees of a card over the statistics of crops."""

    name = "spectral"

    def __init__(self, card: Card, tensors: Tensors) -> None:
        """Raises UnreadableInput where the tensors are no trees over the statistics."""
        self.hash, self.size_px = card.sha256[:16], card.size_px
        self._trees: Trees = from_tensors(tensors, numbers=NUMBERS, where=str(card.path))
        typical = tensors.get(_TYPICAL)
        if typical is None or typical.shape != (NUMBERS,):
            raise UnreadableInput(f"{card.path} lacks the {NUMBERS} typical numbers of real pictures.")
        self._typical = typical.astype(np.float32)

    def llr(self, batch: Pixels) -> NDArray[np.float64]:
        """Log-odds of AI, before calibration, of crops uint8 (N, H, W, 3): float64 (N,)."""
        return self._trees.score(_described(batch))

    def traces(self, crop: Pixels) -> Mapping[str, float]:
        """For each kind of trace, how many nats it adds in a crop (H, W, 3) over what a typical real picture has."""
        own = statistics(crop)
        changed = np.stack([own, *(self._with_typical(own, part) for part in GROUPS.values())])
        scores = self._trees.score(changed)
        return {name: float(scores[0] - score) for name, score in zip(GROUPS, scores[1:], strict=True)}

    def _with_typical(self, own: NDArray[np.float32], part: slice) -> NDArray[np.float32]:
        changed = own.copy()
        changed[part] = self._typical[part]
        return changed


class SpectralLearner:
    """Fits the trees."""

    name = "spectral"
    hash = "statistics-1"
    numbers = NUMBERS
    averages = False

    def __init__(self, *, trees: int = 200, rate: float = 0.05, leaves: int = 15) -> None:
        self._trees, self._rate, self._leaves = trees, rate, leaves

    def describe(self, crops: Pixels) -> NDArray[np.floating[Any]]:
        """The statistics of crops uint8 (N, H, W, 3): (N, numbers)."""
        return _described(crops)

    def learn(
        self,
        features: NDArray[np.floating[Any]],
        labels: NDArray[np.int8],
        weights: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> Tensors:
        """Trees fitted to rows (N, numbers) with labels (1 is AI) and weights."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        model = HistGradientBoostingClassifier(
            max_iter=self._trees,
            learning_rate=self._rate,
            max_leaf_nodes=self._leaves,
            l2_regularization=5.0,
            max_features=0.3,
            early_stopping=False,
            random_state=int(rng.integers(2**31)),
        )
        model.fit(features, labels, sample_weight=weights / weights.mean())
        typical = np.median(features[labels == 0], axis=0).astype(np.float32)
        return {**from_boosting(model).tensors(), _TYPICAL: typical}

    def score(self, features: NDArray[np.floating[Any]], tensors: Tensors) -> NDArray[np.float64]:
        """Log-odds of AI (N,) of rows (N, numbers)."""
        return from_tensors(tensors, numbers=NUMBERS, where="The fit").score(features.astype(np.float32))

    def save(self, card: Card, tensors: Tensors, folder: Path) -> Card:
        """Write trees and card."""
        return weights_of.save(card, tensors, folder)


def _described(crops: Pixels) -> NDArray[np.float32]:
    return np.stack([statistics(crop) for crop in crops])


def build(*, card: Card) -> Spectral:
    """The detector with the trees of ``card``."""
    return Spectral(card, load_tensors(card))


def learner(*, trees: int = 200, rate: float = 0.05, leaves: int = 15) -> SpectralLearner:
    """What trains it: the number of trees, the learning rate and the most leaves of each."""
    return SpectralLearner(trees=trees, rate=rate, leaves=leaves)
