"""A model of real pictures only: how they predict themselves, and how unusual a picture is among them.

It has never seen a generator, so it can't overfit to one; what it finds odd may as well be a rare camera. On pictures
that were resized and compressed it is at chance (``docs/training-log.md``), so no weights of it ship.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filigrane.core import weights as weights_of
from filigrane.core.errors import UnreadableInput
from filigrane.core.values import Pixels
from filigrane.core.weights import Card, Tensors, load_tensors
from filigrane.detector.models._selves import NUMBERS, description

_NAMES = ("mean", "spread", "weight", "centre", "root")


class Selves:
    """The mixture of a card over the self-descriptions of crops."""

    name = "selves"

    def __init__(self, card: Card, tensors: Tensors) -> None:
        """Raises UnreadableInput where the tensors are no mixture over self-descriptions."""
        self.hash, self.size_px = card.sha256[:16], card.size_px
        count = len(tensors.get("weight", ()))
        shapes = ((NUMBERS,), (NUMBERS,), (count,), (count, NUMBERS), (count, NUMBERS, NUMBERS))
        wanted = zip(_NAMES, shapes, strict=True)
        if not count or any(name not in tensors or tensors[name].shape != shape for name, shape in wanted):
            raise UnreadableInput(f"{card.path} holds no mixture of real pictures over {NUMBERS} numbers.")
        self._tensors = tensors

    def llr(self, batch: Pixels) -> NDArray[np.float64]:
        """How unusual crops uint8 (N, H, W, 3) are among real ones, in nats per number: float64 (N,)."""
        return _surprise(_described(batch), self._tensors)


class SelvesLearner:
    """Fits the mixture."""

    name = "selves"
    hash = "selves-1"
    numbers = NUMBERS
    averages = False

    def __init__(self, *, components: int = 6) -> None:
        self._components = components

    def describe(self, crops: Pixels) -> NDArray[np.floating[Any]]:
        """The self-descriptions of crops uint8 (N, H, W, 3): (N, numbers)."""
        return _described(crops)

    def learn(
        self,
        features: NDArray[np.floating[Any]],
        labels: NDArray[np.int8],
        weights: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> Tensors:
        """A Gaussian mixture of the rows whose label is 0."""
        from sklearn.mixture import GaussianMixture

        real = features[labels == 0].astype(np.float64)
        share = weights[labels == 0] / weights[labels == 0].sum()
        drawn = real[rng.choice(len(real), len(real), p=share)]
        mean, spread = drawn.mean(axis=0), drawn.std(axis=0) + 1e-6
        seed = int(rng.integers(2**31))
        mixture = GaussianMixture(self._components, reg_covar=1e-2, max_iter=60, random_state=seed)
        mixture.fit((drawn - mean) / spread)
        return {
            "mean": mean,
            "spread": spread,
            "weight": mixture.weights_,
            "centre": mixture.means_,
            "root": mixture.precisions_cholesky_,
        }

    def score(self, features: NDArray[np.floating[Any]], tensors: Tensors) -> NDArray[np.float64]:
        """How unusual rows (N, numbers) are, in nats per number (N,)."""
        return _surprise(features, tensors)

    def save(self, card: Card, tensors: Tensors, folder: Path) -> Card:
        """Write mixture and card."""
        return weights_of.save(card, {name: array.astype(np.float32) for name, array in tensors.items()}, folder)


def _described(crops: Pixels) -> NDArray[np.float32]:
    return np.stack([description(crop) for crop in crops])


def _surprise(features: NDArray[np.floating[Any]], tensors: Tensors) -> NDArray[np.float64]:
    """Minus the log-likelihood of each row under the mixture, by number."""
    mean, spread, weight, centre, root = (tensors[name].astype(np.float64) for name in _NAMES)
    rows = (features - mean) / spread
    parts = []
    for share, middle, factor in zip(weight, centre, root, strict=True):
        distance = ((rows - middle) @ factor) ** 2
        parts.append(np.log(share) + np.log(np.diag(factor)).sum() - 0.5 * distance.sum(axis=1))
    whole = np.logaddexp.reduce(np.stack(parts), axis=0)
    return np.asarray(-whole / rows.shape[1] + 0.5 * np.log(2 * np.pi))


def build(*, card: Card) -> Selves:
    """The detector with the mixture of ``card``."""
    return Selves(card, load_tensors(card))


def learner(*, components: int = 6) -> SelvesLearner:
    """What trains it: the number of Gaussians in the mixture."""
    return SelvesLearner(components=components)
