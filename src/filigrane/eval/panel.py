"""All metrics of one group of samples at once, for any weighting of them: the estimate and its bootstrap share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from filigrane.eval import metrics
from filigrane.eval.metrics import Float, Labels, Ranking

FPRS = (0.05, 0.01, 0.001)
"""False-positive rates at which the share of AI images found is reported."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How scores are to be read.

    ``threshold`` is the frozen one above which a sample counts as AI (None where there is none);
    ``llr`` says that scores are log-likelihood ratios in nats, so that they have probabilities; these are judged at the
    share of AI that the samples have, so that a ratio is not blamed for the mix of a benchmark.
    """

    threshold: float | None = 0.0
    llr: bool = True


def refusals(n_real: int) -> dict[str, str]:
    """Metrics that can't honestly be given with so few real samples, and what it would take.

    >>> sorted(refusals(500))
    ['tpr_at_fpr_0.001']
    """
    needed = {f"tpr_at_fpr_{fpr:g}": metrics.reals_needed(fpr) for fpr in FPRS}
    return {
        name: f"needs at least {least} real images, there are {n_real}"
        for name, least in needed.items()
        if n_real < least
    }


class Panel:
    """The metrics of ``labels`` (N,) and ``scores`` (N,), both classes present."""

    def __init__(self, labels: Labels, scores: Float, scale: Scale) -> None:
        self._ranking = Ranking(labels, scores)
        self._scale = scale
        ranked = self._ranking
        if scale.llr:
            self._probabilities = metrics.probability(ranked.scores, float(labels.mean()))
        if scale.threshold is not None:
            margin = scores - scale.threshold
            self._confident = np.argsort(-np.abs(margin), kind="stable")
            self._wrong = ((margin > 0) != (labels == 1))[self._confident].astype(np.float64)

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics, in the order of `values`."""
        names = ("auc", "average_precision", "equal_error_rate", *(f"tpr_at_fpr_{fpr:g}" for fpr in FPRS))
        if self._scale.threshold is not None:
            names += ("balanced_accuracy", "true_positive_rate", "false_positive_rate", "area_under_risk")
        return names + (("calibration_error", "brier") if self._scale.llr else ())

    def values(self, weights: Float) -> Float:
        """Every metric (..., M) under ``weights`` (..., N)."""
        ranked = weights[..., self._ranking.order]
        curve = self._ranking.curve_of_ranked(ranked)
        columns = [metrics.auc(curve), metrics.average_precision(curve), metrics.equal_error_rate(curve)]
        columns += [metrics.tpr_at_fpr(curve, fpr) for fpr in FPRS]
        if self._scale.threshold is not None:
            at = self._ranking.above(self._scale.threshold)
            found, accused = curve.tp[..., at] / curve.tp[..., -1], curve.fp[..., at] / curve.fp[..., -1]
            risk = metrics.area_under_risk(weights[..., self._confident], self._wrong)
            columns += [(found + 1 - accused) / 2, found, accused, risk]
        if self._scale.llr:
            arguments = (ranked, self._ranking.positive, self._probabilities)
            columns += [metrics.calibration_error(*arguments), metrics.brier(*arguments)]
        return np.stack(columns, axis=-1)

    def estimate(self) -> Float:
        """Every metric (M,), all samples counting once."""
        return self.values(np.ones(len(self._ranking.positive)))
