"""Boosted trees as plain arrays: learned by scikit-learn, stored as safetensors, walked with numpy.

Histogram gradient boosting (Ke et al., LightGBM, NeurIPS 2017) as scikit-learn builds it; its own format would be a
pickle, which runs whatever it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import UnreadableInput

_NAMES = ("trees.feature", "trees.threshold", "trees.left", "trees.right", "trees.value", "trees.root", "trees.start")
_MOST_STEPS = 64

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trees:
    """All nodes of all trees in one row each: a leaf points to itself, so that walking on from it stays there.

    ``feature``, ``left``, ``right`` int (M,), ``threshold``, ``value`` float (M,), ``root`` int (T,), ``start`` float.
    """

    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Floats
    root: NDArray[np.int64]
    start: float

    def score(self, features: NDArray[np.float32]) -> Floats:
        """Log-odds (N,) of rows (N, D): the start plus the leaf that each tree leads to."""
        rows = np.arange(len(features))[:, None]
        place = np.broadcast_to(self.root, (len(features), len(self.root)))
        for _ in range(_MOST_STEPS):
            smaller = features[rows, self.feature[place]] <= self.threshold[place]
            onward = np.where(smaller, self.left[place], self.right[place])
            if np.array_equal(onward, place):
                break
            place = onward
        return np.asarray(self.start + self.value[place].sum(axis=1))

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """As they are stored."""
        arrays = (self.feature, self.threshold, self.left, self.right, self.value, self.root)
        return {**dict(zip(_NAMES, arrays, strict=False)), _NAMES[-1]: np.array([self.start])}


def from_boosting(model: Any) -> Trees:
    """The trees of a fitted binary ``HistGradientBoostingClassifier`` without missing values or categories."""
    parts: dict[str, list[Any]] = {name: [] for name in ("feature", "threshold", "left", "right", "value", "root")}
    base = 0
    for (tree,) in model._predictors:
        nodes = tree.nodes
        leaf, own = nodes["is_leaf"].astype(bool), np.arange(len(nodes)) + base
        parts["root"].append(np.array([base]))
        parts["feature"].append(np.where(leaf, 0, nodes["feature_idx"]))
        parts["threshold"].append(np.where(leaf, 0.0, nodes["num_threshold"]))
        parts["left"].append(np.where(leaf, own, nodes["left"].astype(np.int64) + base))
        parts["right"].append(np.where(leaf, own, nodes["right"].astype(np.int64) + base))
        parts["value"].append(np.where(leaf, nodes["value"], 0.0))
        base += len(nodes)
    joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    for name in ("feature", "left", "right", "root"):
        joined[name] = joined[name].astype(np.int64)
    return Trees(**joined, start=float(np.ravel(model._baseline_prediction)[0]))


def from_tensors(tensors: Mapping[str, NDArray[np.generic]], *, numbers: int, where: str) -> Trees:
    """The trees in ``tensors``, over rows of ``numbers`` columns; UnreadableInput naming ``where`` if they are none."""
    try:
        feature, threshold, left, right, value, root, start = (tensors[name] for name in _NAMES)
    except KeyError as error:
        raise UnreadableInput(f"{where} lacks the tensor {error}; it holds no boosted trees.") from error
    count = len(feature)
    if any(array.shape != (count,) for array in (feature, threshold, left, right, value)) or start.shape != (1,):
        raise UnreadableInput(f"{where} holds trees whose arrays differ in length.")
    places = [array.astype(np.int64) for array in (feature, left, right, root)]
    for array, limit in zip(places, (numbers, count, count, count), strict=True):
        if array.size and not (array.min() >= 0 and array.max() < limit):
            raise UnreadableInput(f"{where} holds trees that point outside of their {count} nodes.")
    return Trees(
        feature=places[0],
        threshold=threshold.astype(np.float64),
        left=places[1],
        right=places[2],
        value=value.astype(np.float64),
        root=places[3],
        start=float(start[0]),
    )
