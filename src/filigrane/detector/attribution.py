"""Which family of generators a picture that looks machine-made comes from: a guess with a probability, or "unknown".

Fitted on the pictures whose sources say how they were made; proprietary services mostly don't, and are left out. A
family is named only above the probability from which on, on sources held out, three in four names were right.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import MissingExtra, UnreadableInput
from filigrane.core.values import Json
from filigrane.core.weights import Card
from filigrane.detector import corpus
from filigrane.detector.corpus import Entry
from filigrane.detector.describe import RANDOM, Described

FAMILIES = ("latent-diffusion", "gan")
"""The kinds of AI pictures that can be told apart on sources held out; of the others no name was sure enough."""
UNKNOWN = "unknown"
_RIGHT = 0.75
_LEAST_NAMED = 50
_STEPS = 60


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
    """The head for the families that have pictures in every fold of ``fold`` (N entries,); None for fewer than two.

    Raises MissingExtra without scikit-learn.
    """
    usable = np.array([entry.label == 1 and entry.kind in FAMILIES for entry in entries])
    keep = (rows.delivery == RANDOM) & usable[rows.entry]
    features, seen = rows.features[keep].astype(np.float32), [entries[index] for index in rows.entry[keep]]
    folds, kinds = fold[rows.entry[keep]], np.array([entry.kind for entry in seen])
    families = tuple(name for name in FAMILIES if len(set(folds[kinds == name])) > 1)
    if len(families) < 2:
        return None
    of = np.array([families.index(kind) if kind in families else 0 for kind in kinds])
    weights = _weights(seen, of)
    odds = np.zeros((len(of), len(families)))
    for number in np.unique(folds):
        out = folds == number
        weight, bias = _fit(features[~out], of[~out], weights[~out], (len(families), regularisation))
        odds[out] = features[out] @ weight.T + bias
    weight, bias = _fit(features, of, weights, (len(families), regularisation))
    threshold, accuracy, named = _threshold(probabilities(odds), of, weights)
    return Attribution(families, weight, bias, threshold, accuracy, named, len({id(entry) for entry in seen}))


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
    features: NDArray[np.float32], of: NDArray[np.int64], weights: NDArray[np.float64], shape: tuple[int, float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("Training the detector", "evaluate") from error
    share = (weights / weights.sum()).astype(np.float32)
    mean = share @ features
    spread = np.sqrt(share @ np.square(features - mean)) + 1e-6
    line = LogisticRegression(C=shape[1], max_iter=_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        line.fit((features - mean) / spread, of, sample_weight=weights / weights.mean())
    weight, bias = np.zeros((shape[0], features.shape[1])), np.full(shape[0], -1e3)
    coefficients, intercepts = line.coef_, line.intercept_
    if len(line.classes_) == 2:
        coefficients, intercepts = np.concatenate([-coefficients, coefficients]) / 2, np.array([-1, 1]) * intercepts / 2
    weight[line.classes_] = coefficients / spread
    bias[line.classes_] = intercepts - (coefficients / spread) @ mean
    return weight.astype(np.float32), bias.astype(np.float32)


def _threshold(
    found: NDArray[np.float64], of: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[float, float, float]:
    """The least probability above which `_RIGHT` of the names are right, that share, and the share of those named."""
    best, right = found.max(axis=1), found.argmax(axis=1) == of
    order = np.argsort(-best)
    mass = np.cumsum(weights[order])
    accuracy = np.cumsum(weights[order] * right[order]) / mass
    enough = np.flatnonzero((accuracy >= _RIGHT) & (np.arange(len(order)) >= min(_LEAST_NAMED, len(order)) - 1))
    last = int(enough[-1]) if len(enough) else min(_LEAST_NAMED, len(order)) - 1
    return float(best[order[last]]), float(accuracy[last]), float(mass[last] / mass[-1])
