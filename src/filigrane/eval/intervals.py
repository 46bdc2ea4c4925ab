"""Intervals: Wilson for shares, DeLong for areas, the stratified bootstrap for everything else; all know clusters.

Images of one source (one scene, one photographer, one prompt) are not independent; ``clusters`` says which belong
together, and the intervals are those of drawing sources, not images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from filigrane.eval.auc import influence, variance
from filigrane.eval.metrics import Float, Index, Labels

Z = 1.959963984540054
"""The 97.5 % point of the normal distribution: all intervals are 95 %."""

_CHUNK = 4_000_000


def wilson(successes: float, n: float) -> tuple[float, float]:
    """Wilson's interval for a share (E. B. Wilson, 1927).

    >>> [round(x, 3) for x in wilson(0, 10)]
    [0.0, 0.278]
    """
    if n <= 0:
        return 0.0, 1.0
    share, spread = successes / n, Z * Z / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z * float(np.sqrt(share * (1 - share) / n + spread / (4 * n))) / (1 + spread)
    return (0.0 if successes <= 0 else max(0.0, centre - half)), (1.0 if successes >= n else min(1.0, centre + half))


def clustered_share(hits: NDArray[np.bool_], clusters: Index) -> tuple[float, float, float]:
    """Share of ``hits`` (N,) with Wilson's interval at the effective sample size.

    The design effect is the ratio of the variance between clusters to that of independent samples (Korn and
    Graubard, 1998); where every sample agrees, the clusters themselves are counted.
    """
    n = len(hits)
    share = float(np.mean(hits))
    _, cluster = np.unique(clusters, return_inverse=True)
    count = int(cluster.max()) + 1
    if count == n:
        return (share, *wilson(share * n, n))
    excess = np.bincount(cluster, weights=hits - share)
    spread = count / max(count - 1, 1) * float(np.sum(np.square(excess))) / n**2
    effective = min(float(n), share * (1 - share) / spread) if spread > 0 else float(count)
    effective = max(effective, 1.0)
    return (share, *wilson(share * effective, effective))


def auc_interval(labels: Labels, scores: Float, clusters: Index) -> tuple[float, float, float]:
    """Area under the ROC curve and DeLong's interval on the logit scale, clusters accounted for.

    Where the samples separate perfectly, or as if by chance alone, the variance says nothing, and Wilson's interval
    for the smaller class stands in.
    """
    area, effect = influence(labels, scores)
    return (area, *area_interval(area, variance(effect, labels, clusters), labels))


def area_interval(area: float, spread: float, labels: Labels) -> tuple[float, float]:
    """The interval of an ``area`` whose variance is ``spread``, inside 0 to 1."""
    if spread <= 0 or not 0 < area < 1:
        n = float(min(np.sum(labels == 1), np.sum(labels == 0)))
        return wilson(area * n, n)
    centre, half = np.log(area / (1 - area)), Z * np.sqrt(spread) / (area * (1 - area))
    return float(1 / (1 + np.exp(half - centre))), float(1 / (1 + np.exp(-half - centre)))


def resamples(labels: Labels, clusters: Index, *, count: int, rng: np.random.Generator) -> Iterator[Float]:
    """Weights of ``count`` bootstrap resamples, in chunks (b, N) of limited size.

    Clusters are drawn with replacement within strata: those of real samples, of AI samples, and of both.
    """
    names, cluster = np.unique(clusters, return_inverse=True)
    share = np.bincount(cluster, weights=labels) / np.bincount(cluster)
    strata = [np.flatnonzero(kind) for kind in (share == 0, share == 1, (share > 0) & (share < 1))]
    step = max(1, _CHUNK // len(labels))
    for start in range(0, count, step):
        rows = min(step, count - start)
        drawn = np.zeros((rows, len(names)))
        for members in strata:
            for row in range(rows if len(members) else 0):
                picks = rng.integers(0, len(members), len(members))
                drawn[row, members] = np.bincount(picks, minlength=len(members))
        yield drawn[:, cluster]


def bootstrap(
    measure: Callable[[Float], Float], labels: Labels, clusters: Index, *, count: int, rng: np.random.Generator
) -> Float:
    """Values (count, ...) of ``measure`` over resamples; it takes weights (b, N) and gives (b, ...)."""
    return np.concatenate([measure(chunk) for chunk in resamples(labels, clusters, count=count, rng=rng)])


def percentiles(values: Float) -> Float:
    """The 95 % percentile interval over the first axis: (2, ...)."""
    return np.asarray(np.nanquantile(values, [0.025, 0.975], axis=0))
