"""Is one detector better than another on the same images? Tests, corrected for how many were asked, in plain words.

Areas are compared by DeLong's paired test (clusters accounted for), accuracies at the frozen thresholds by McNemar's
exact test, everything else by a paired bootstrap that draws sources. Holm's correction holds over all tests asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from filigrane.core.errors import UsageError
from filigrane.eval.auc import covariance, influence
from filigrane.eval.intervals import Z, bootstrap, percentiles
from filigrane.eval.metrics import Float, Index, Labels
from filigrane.eval.panel import Panel, Scale, refusals
from filigrane.eval.scores import Mask, Scores

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """How much ``second`` exceeds ``first`` in one metric over ``n`` shared samples, with its 95 % interval.

    ``p_value`` is None where only the interval was computed; ``p_holm`` is corrected for all tests of the comparison.
    """

    metric: str
    delivery: str
    first: float
    second: float
    low: float
    high: float
    n: int
    test: str
    p_value: float | None = None
    p_holm: float | None = None

    @property
    def value(self) -> float:
        """The difference, second minus first."""
        return self.second - self.first

    def sentence(self, first: str, second: str) -> str:
        """What this says, in plain words, the detectors being called ``first`` and ``second``."""
        name = self.metric.replace("_", " ")
        where = f"On {self.n:,} images ({self.delivery})"
        between = f"{self.value:+.4f}, interval {self.low:+.4f} to {self.high:+.4f}"
        if self.low <= 0 <= self.high:
            start = f"{where}, no difference in {name} between {first} and {second} is shown ({between}): "
            return start + "the interval of the difference includes zero."
        word = "higher" if self.value > 0 else "lower"
        start = f"{where}, the {name} of {second} is {word} than that of {first} ({between})"
        if self.p_holm is None:
            return f"{start}; the interval of the difference excludes zero."
        if self.p_holm > 0.05:
            return (
                f"{start}, but not once it is corrected for the other comparisons ({self.test}, p = {self.p_holm:.2g})."
            )
        return f"{start}; {self.test}, corrected p = {self.p_holm:.2g}."


def delong(labels: Labels, first: Float, second: Float, clusters: Index) -> tuple[float, float, float, float]:
    """Areas of two score columns (N,), the standard error of their difference, and the two-sided p-value."""
    from scipy.stats import norm

    (area_a, effect_a), (area_b, effect_b) = (influence(labels, scores) for scores in (first, second))
    spread = covariance(np.stack([effect_a, effect_b]), labels, clusters)
    error = float(np.sqrt(max(0.0, spread[0, 0] + spread[1, 1] - 2 * spread[0, 1])))
    if error < 1e-12:
        return area_a, area_b, 0.0, 1.0 if area_a == area_b else 0.0
    return area_a, area_b, error, float(2 * norm.sf(abs(area_b - area_a) / error))


def mcnemar(first: Mask, second: Mask) -> float:
    """Exact two-sided p-value that two columns of right and wrong answers (N,) err equally often (McNemar, 1947)."""
    from scipy.stats import binomtest

    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979), in the order given.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    raised = np.minimum(1.0, np.maximum.accumulate(factors * np.asarray(p_values, np.float64)[order]))
    result = np.empty(len(p_values))
    result[order] = raised
    return [float(p) for p in result]


def paired(first: Scores, second: Scores) -> tuple[Scores, Scores]:
    """The rows that both have, in one order; raises UsageError where they share none or disagree on a label."""
    keys = [dict.fromkeys(zip(table.id, table.sha256, table.delivery, strict=True)) for table in (first, second)]
    shared = {key: i for i, key in enumerate(key for key in keys[0] if key in keys[1])}
    tables = []
    for table in (first, second):
        place = np.full(len(shared), -1)
        for row, key in enumerate(zip(table.id, table.sha256, table.delivery, strict=True)):
            if key in shared:
                place[shared[key]] = row
        tables.append(table.take(place))
    if not shared:
        raise UsageError("The two results share no image and delivery: evaluate both on the same benchmark.")
    if np.any(tables[0].label != tables[1].label):
        raise UsageError("The two results disagree on what is real: evaluate both with the same layout.")
    return tables[0], tables[1]


def compare(first: Scores, second: Scores, scales: tuple[Scale, Scale], *, seed: int = 0) -> tuple[Difference, ...]:
    """Every difference between two detectors on the samples they share, delivery by delivery, corrected by Holm."""
    one, two = paired(first, second)
    found: list[Difference] = []
    for name in dict.fromkeys(one.delivery):
        mask = one.delivery.equal(name)
        parts = (one.select(mask), two.select(mask))
        if 0 < int(np.sum(parts[0].label)) < len(parts[0]):
            found += _tests(*parts, scales, name)
            found += _intervals(*parts, scales, np.random.default_rng(seed))
    tested = [i for i, difference in enumerate(found) if difference.p_value is not None]
    corrected = holm([p for i in tested if (p := found[i].p_value) is not None])
    for i, p in zip(tested, corrected, strict=True):
        found[i] = replace(found[i], p_holm=p)
    return tuple(found)


def _tests(one: Scores, two: Scores, scales: tuple[Scale, Scale], delivery: str) -> Iterator[Difference]:
    clusters = one.clusters()
    area_a, area_b, error, p = delong(one.label, one.score, two.score, clusters)
    gap, half = area_b - area_a, Z * error
    yield Difference("auc", delivery, area_a, area_b, gap - half, gap + half, len(one), "DeLong", p)
    if scales[0].threshold is None or scales[1].threshold is None:
        return
    right = (one.score > scales[0].threshold) == (one.label == 1), (two.score > scales[1].threshold) == (two.label == 1)
    change = right[1].astype(np.float64) - right[0]
    _, cluster = np.unique(clusters, return_inverse=True)
    sums = np.bincount(cluster, weights=change - change.mean())
    half = Z * float(np.sqrt(len(sums) / max(len(sums) - 1, 1) * np.sum(sums**2))) / len(one)
    gap, p = float(change.mean()), mcnemar(*right)
    shares = float(np.mean(right[0])), float(np.mean(right[1]))
    yield Difference("accuracy", delivery, *shares, gap - half, gap + half, len(one), "McNemar", p)


def _intervals(one: Scores, two: Scores, scales: tuple[Scale, Scale], rng: np.random.Generator) -> Iterator[Difference]:
    """Paired bootstrap intervals of the metrics that both have, other than those tested."""
    panels = [Panel(table.label, table.score, scale) for table, scale in zip((one, two), scales, strict=True)]
    left_out = {"auc", *refusals(int(np.sum(one.label == 0)))}
    names = [name for name in panels[0].names if name in panels[1].names and name not in left_out]
    columns = [[panel.names.index(name) for name in names] for panel in panels]

    def gaps(weights: Float) -> Float:
        values = [panel.values(weights)[..., index] for panel, index in zip(panels, columns, strict=True)]
        return values[1] - values[0]

    low, high = percentiles(bootstrap(gaps, one.label, one.clusters(), count=RESAMPLES, rng=rng))
    estimates = [panel.estimate()[index] for panel, index in zip(panels, columns, strict=True)]
    delivery = next(iter(one.delivery))
    for i, name in enumerate(names):
        pair = (float(estimates[0][i]), float(estimates[1][i]))
        yield Difference(name, delivery, *pair, float(low[i]), float(high[i]), len(one), "paired bootstrap")
