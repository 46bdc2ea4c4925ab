"""A logistic regression on standardised rows, as one linear layer over the rows as they are."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEPS = 60
"""Steps of the fit, which is stopped there; the figures on sources held out are of as many."""

Floats = NDArray[np.float32]


def fitted(
    features: NDArray[np.floating[Any]], labels: NDArray[Any], weights: NDArray[np.float64], *, regularisation: float
) -> tuple[Floats, Floats]:
    """Weight (K, D) and bias (K,) of the K classes of ``labels`` (N,), sorted; of two classes the second only.

    ``features`` (N, D) with ``weights`` (N,); ``regularisation`` is the C of the regression.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows, share = features.astype(np.float32), (weights / weights.sum()).astype(np.float32)
    mean = share @ rows
    rows -= mean
    spread = np.sqrt(share @ np.square(rows)) + 1e-6
    rows /= spread
    line = LogisticRegression(C=regularisation, max_iter=_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        line.fit(rows, labels, sample_weight=weights / weights.mean())
    weight = (line.coef_ / spread).astype(np.float32)
    return weight, (line.intercept_ - weight @ mean).astype(np.float32)
