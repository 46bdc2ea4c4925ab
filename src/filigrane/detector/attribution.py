"""Which family of generators a picture that looks machine-made comes from: a guess with a probability, or "unknown".

Fitted on the pictures whose sources say how they were made; proprietary services mostly don't, and are left out. A
family is named only above the probability from which on, on sources held out, three in four names were right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import UnreadableInput
from filigrane.core.values import Json
from filigrane.core.weights import Card
from filigrane.detector import corpus
from filigrane.detector.corpus import Entry
from filigrane.detector.describe import RANDOM, Described
from filigrane.detector.models import _logistic as logistic

FAMILIES = ("latent-diffusion", "gan")
"""The kinds of AI pictures that can be told apart on sources held out; of the others no name was sure enough."""
UNKNOWN = "unknown"
_RIGHT = 0.75
_LEAST_NAMED = 50


@dataclass(frozen=True, slots=True)
class Attribution:
    """A linear head over a model's numbers: ``weight`` float32 (K, D) and ``bias`` (K,) for the K ``families``.

    ``threshold`` is the least probability for a name; ``accuracy`` the share of right names above it and ``named`` the
    share of pictures that get one, on ``n`` pictures of sources held out.
    """

    families: tuple[str, ...]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    threshold: float
    accuracy: float
    named: float
    n: int

    def to_json(self) -> dict[str, Json]:
        """As stored in a card, without the arrays."""
        figures = {name: round(float(getattr(self, name)), 4) for name in ("threshold", "accuracy", "named")}
        return {"families": list(self.families), **figures, "n": self.n}


def fitted(
    rows: Described, entries: Sequence[Entry], fold: NDArray[np.int64], *, regularisation: float
) -> Attribution | None:
    """The head for the families that have pictures in two or more of the folds that ``fold`` (N entries,) gives.

    None for fewer than two families, or where they can't be told apart well enough to name any.
    """
    kind = np.array([entry.kind if entry.label == 1 else "" for entry in entries])
    families = tuple(name for name in FAMILIES if len(set(fold[kind == name])) > 1)
    if len(families) < 2:
        return None
    keep = (rows.delivery == RANDOM) & np.isin(kind[rows.entry], families)
    features, seen = rows.features[keep], [entries[index] for index in rows.entry[keep]]
    folds, of = fold[rows.entry[keep]], np.array([families.index(entry.kind) for entry in seen])
    weights = _weights(seen, of)
    odds = np.zeros((len(of), len(families)))
    for number in np.unique(folds):
        out = folds == number
        weight, bias = _fit(features[~out], of[~out], weights[~out], (len(families), regularisation))
        odds[out] = features[out].astype(np.float32) @ weight.T + bias
    found = _threshold(probabilities(odds), of, weights)
    if found is None:
        return None
    weight, bias = _fit(features, of, weights, (len(families), regularisation))
    return Attribution(families, weight, bias, *found, len({id(entry) for entry in seen}))


def named(odds: NDArray[np.float64], card: Card) -> tuple[str, float]:
    """The family that log-odds (N, K) of a picture's crops speak for, and its probability.

    It is `UNKNOWN` under the threshold. ``card`` holds what `fitted` found; raises UnreadableInput where it does not.
    """
    said = card.about.get("families")
    names, threshold = (said.get("families"), said.get("threshold")) if isinstance(said, dict) else (None, None)
    if not isinstance(names, list) or len(names) != odds.shape[1] or not isinstance(threshold, float):
        raise UnreadableInput(f"The card {card.name} does not name the families that its weights tell apart.")
    shares = probabilities(odds.mean(axis=0, keepdims=True))[0]
    best = int(shares.argmax())
    return (str(names[best]) if shares[best] >= threshold else UNKNOWN), float(shares[best])


def probabilities(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds (N, K) as probabilities that sum to 1.

    >>> probabilities(np.array([[1000.0, 1000.0]])).tolist()
    [[0.5, 0.5]]
    """
    raised = np.exp(odds - odds.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _weights(seen: Sequence[Entry], of: NDArray[np.int64]) -> NDArray[np.float64]:
    """Families weigh the same; within one, sources by the root of their size."""
    weights = corpus.weights(seen)
    for number in np.unique(of):
        weights[of == number] /= weights[of == number].sum()
    return np.asarray(weights / weights.sum())


def _fit(
    features: NDArray[np.floating[Any]], of: NDArray[np.int64], weights: NDArray[np.float64], shape: tuple[int, float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A row of weights and a bias for each of the ``shape[0]`` families; one that is not in ``of`` is never named."""
    classes = np.unique(of)
    weight, bias = np.zeros((shape[0], features.shape[1]), np.float32), np.full(shape[0], -1e3, np.float32)
    rows, offsets = logistic.fitted(features, of, weights, regularisation=shape[1])
    if len(classes) == 2:
        rows, offsets = (np.concatenate([-half, half]) for half in (rows / 2, offsets / 2))
    weight[classes], bias[classes] = rows, offsets
    return weight, bias


def _threshold(
    found: NDArray[np.float64], of: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[float, float, float] | None:
    """The least probability above which `_RIGHT` of the names are right, that share, and the share of those named.

    None where there is none that names at least `_LEAST_NAMED`.
    """
    best, right = found.max(axis=1), found.argmax(axis=1) == of
    order = np.argsort(-best)
    mass = np.cumsum(weights[order])
    accuracy = np.cumsum(weights[order] * right[order]) / mass
    enough = np.flatnonzero(accuracy[_LEAST_NAMED - 1 :] >= _RIGHT)
    if not len(enough):
        return None
    last = int(enough[-1]) + _LEAST_NAMED - 1
    return float(best[order[last]]), float(accuracy[last]), float(mass[last] / mass[-1])
