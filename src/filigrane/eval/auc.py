"""The area under the ROC curve as a mean over samples: what each one adds, and the variance that follows.

Source: DeLong, DeLong and Clarke-Pearson (1988), in the order-n-log-n form of Sun and Xu (2014); samples that belong
together as in Obuchowski, "Nonparametric analysis of clustered ROC curve data" (1997), which is DeLong's variance
where every cluster is one sample.
"""

from __future__ import annotations

import numpy as np

from filigrane.eval.metrics import Float, Index, Labels


def influence(labels: Labels, scores: Float, weights: Float | None = None) -> tuple[float, Float]:
    """The area, and how far each sample (N,) moves it from its mean.

    ``weights`` (N,) count AI samples unequally, such as every generator the same; those of real ones are not used.
    """
    positive = labels == 1
    ai, real = scores[positive], scores[~positive]
    share = np.full(len(ai), 1 / len(ai)) if weights is None else weights[positive] / weights[positive].sum()
    found = _rank_among(ai, real, np.full(len(real), 1 / len(real)))
    beaten = 1 - _rank_among(real, ai, share)
    area = float(found @ share)
    effect = np.empty(len(scores))
    effect[positive] = share * (found - area)
    effect[~positive] = (beaten - area) / len(real)
    return area, effect


def _rank_among(values: Float, others: Float, weights: Float) -> Float:
    """For each value the weight of the others below it, those equal to it counted by half."""
    order = np.argsort(others)
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    ranked, mine = others[order], np.argsort(values)
    result = np.empty(len(values))
    left, right = (np.searchsorted(ranked, values[mine], side=side) for side in ("left", "right"))
    result[mine] = (below[left] + below[right]) / 2
    return result


def covariance(effects: Float, labels: Labels, clusters: Index) -> Float:
    """Covariance (D, D) of D areas over the same samples, from their ``effects`` (D, N)."""
    _, cluster = np.unique(clusters, return_inverse=True)
    sums = [
        np.stack([np.bincount(cluster, weights=effect * (labels == label)) for effect in effects]) for label in (0, 1)
    ]
    members = [np.bincount(cluster, weights=labels == label) > 0 for label in (0, 1)]
    cross = sums[0] @ sums[1].T
    total = _correction(int(np.sum(members[0] | members[1]))) * (cross + cross.T)
    for part, present in zip(sums, members, strict=True):
        total += _correction(int(np.sum(present))) * (part @ part.T)
    return total


def variance(effect: Float, labels: Labels, clusters: Index) -> float:
    """Variance of one area from its ``effect`` (N,)."""
    return float(covariance(effect[None], labels, clusters)[0, 0])


def _correction(count: int) -> float:
    return count / (count - 1) if count > 1 else 1.0
