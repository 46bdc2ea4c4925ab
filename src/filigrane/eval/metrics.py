"""What a detector's scores are worth: every metric from one ranking of the samples, for one or many weightings.

Each metric takes weights with leading axes, so that a thousand bootstrap resamples are a few array operations and the
estimate is the same code as its interval. Labels are 1 for AI and 0 for real; a higher score means AI. The values
are those of scikit-learn where it has the metric (`roc_auc_score`, `average_precision_score`, `brier_score_loss`,
`balanced_accuracy_score`), which the tests hold to 1e-12.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Labels = NDArray[np.int8]
Index = NDArray[np.intp]

BINS = 15
"""Bins of equal width of the calibration error, as in Guo et al., "On calibration of modern neural networks" (2017)."""


@dataclass(frozen=True, slots=True)
class Curve:
    """True and false positives at every threshold, float64 (..., T + 1), starting at none; last is the total."""

    tp: Float
    fp: Float

    @property
    def tpr(self) -> Float:
        """Share of AI samples found at each threshold."""
        return np.asarray(self.tp / self.tp[..., -1:])

    @property
    def fpr(self) -> Float:
        """Share of real samples accused at each threshold."""
        return np.asarray(self.fp / self.fp[..., -1:])


class Ranking:
    """Samples in order of falling score, runs of equal scores being one threshold."""

    def __init__(self, labels: Labels, scores: Float) -> None:
        """``labels`` (N,) of 0 and 1, ``scores`` (N,) finite."""
        self.order: Index = np.argsort(-scores, kind="stable")
        self.scores: Float = scores[self.order]
        self.positive: Float = labels[self.order].astype(np.float64)
        self.ends: Index = np.flatnonzero(np.append(np.diff(self.scores) != 0, True))

    @property
    def thresholds(self) -> Float:
        """The distinct scores, highest first, (T,)."""
        return self.scores[self.ends]

    def curve(self, weights: Float) -> Curve:
        """The curve under ``weights`` (..., N), given in the order of the samples."""
        return self.curve_of_ranked(weights[..., self.order])

    def curve_of_ranked(self, ranked: Float) -> Curve:
        """The curve under weights that are already in order of falling score."""
        tp, both = np.cumsum(ranked * self.positive, axis=-1), np.cumsum(ranked, axis=-1)
        if len(self.ends) < len(self.order):
            tp, both = tp[..., self.ends], both[..., self.ends]
        return Curve(tp=_from_zero(tp), fp=_from_zero(both - tp))

    def above(self, threshold: float) -> int:
        """How many distinct scores lie above ``threshold``: the index of that threshold in a curve."""
        return int(np.searchsorted(-self.thresholds, -threshold, side="left"))


def _from_zero(values: Float) -> Float:
    return np.concatenate([np.zeros((*values.shape[:-1], 1)), values], axis=-1)


def auc(curve: Curve) -> Float:
    """Area under the ROC curve, by trapezia."""
    area = np.sum(np.diff(curve.fp) * (curve.tp[..., 1:] + curve.tp[..., :-1]), axis=-1) / 2
    return np.asarray(area / (curve.tp[..., -1] * curve.fp[..., -1]))


def average_precision(curve: Curve) -> Float:
    """Area under the precision–recall curve, by steps."""
    called = curve.tp[..., 1:] + curve.fp[..., 1:]
    precision = np.divide(curve.tp[..., 1:], called, out=np.zeros_like(called), where=called > 0)
    return np.asarray(np.sum(np.diff(curve.tp) * precision, axis=-1) / curve.tp[..., -1])


def equal_error_rate(curve: Curve) -> Float:
    """The error at which misses and false alarms are equally frequent, between two thresholds by a straight line."""
    fpr = curve.fpr
    gap = fpr + curve.tpr - 1
    after = np.argmax(gap >= 0, axis=-1)[..., None]
    before = np.maximum(after - 1, 0)
    low, high = (np.take_along_axis(gap, at, -1)[..., 0] for at in (before, after))
    start, end = (np.take_along_axis(fpr, at, -1)[..., 0] for at in (before, after))
    share = np.divide(-low, high - low, out=np.ones_like(low), where=high > low)
    return np.asarray(start + share * (end - start))


def tpr_at_fpr(curve: Curve, fpr: float) -> Float:
    """The largest share of AI samples found at a threshold that accuses at most ``fpr`` of the real ones."""
    allowed = np.count_nonzero(curve.fp <= (fpr + 1e-12) * curve.fp[..., -1:], axis=-1) - 1
    found = np.take_along_axis(curve.tp, np.asarray(allowed)[..., None], -1)[..., 0]
    return np.asarray(found / curve.tp[..., -1])


def reals_needed(fpr: float) -> int:
    """Real samples without which a rate of ``fpr`` cannot be measured: three expected false alarms.

    >>> reals_needed(0.001)
    3000
    """
    return int(np.ceil(3 / fpr - 1e-9))


def calibration_error(ranked: Float, positive: Float, probabilities: Float) -> Float:
    """Expected calibration error over BINS bins of equal width, the samples being sorted by falling probability."""
    inner = np.linspace(1, 0, BINS + 1)[1:-1]
    edges = np.concatenate([[0], np.searchsorted(-probabilities, -inner, side="left"), [len(probabilities)]])
    gaps = _from_zero(np.cumsum(ranked * (positive - probabilities), axis=-1))[..., edges]
    return np.asarray(np.abs(np.diff(gaps)).sum(axis=-1) / ranked.sum(axis=-1))


def brier(ranked: Float, positive: Float, probabilities: Float) -> Float:
    """Mean squared distance of the probability from what came true."""
    return np.asarray((ranked @ np.square(positive - probabilities)) / ranked.sum(axis=-1))


def risk_coverage(ranked: Float, wrong: Float) -> tuple[Float, Float]:
    """Coverage and error among the covered, the samples being sorted by falling confidence; both (..., N).

    Source: Geifman and El-Yaniv, "Selective classification for deep neural networks" (2017).
    """
    covered = np.cumsum(ranked, axis=-1)
    risk = np.divide(np.cumsum(ranked * wrong, axis=-1), covered, out=np.zeros_like(covered), where=covered > 0)
    return covered / covered[..., -1:], risk


def area_under_risk(ranked: Float, wrong: Float) -> Float:
    """Mean error over all coverages: 0 is perfect; a detector that knows when it errs is below its own error rate."""
    _, risk = risk_coverage(ranked, wrong)
    return np.asarray(np.sum(risk * ranked, axis=-1) / ranked.sum(axis=-1))


def probability(llr: Float, prior: float = 0.5) -> Float:
    """Probability of AI for a log-likelihood ratio in nats, where a share of ``prior`` (0–1) is AI to begin with.

    >>> probability(np.array([0.0]), 0.25).tolist()
    [0.25]
    """
    odds = llr + float(np.log(prior / (1 - prior)))
    return np.asarray(0.5 * (1 + np.tanh(odds / 2)))


def logit(probabilities: Float) -> Float:
    """Nats for probabilities 0 to 1, capped at 1e-9 from either end."""
    inner = np.clip(probabilities, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(inner / (1 - inner)))
