"""From scores to rows: overall, per delivery, per generator, macro and worst, and per kind of real image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from filigrane.core.values import Row
from filigrane.eval.auc import influence, variance
from filigrane.eval.intervals import area_interval, auc_interval, bootstrap, clustered_share, percentiles
from filigrane.eval.panel import Panel, Scale, refusals
from filigrane.eval.scores import Scores

MOST_RESAMPLES = 1000
LEAST_RESAMPLES = 200
_RESAMPLED = 100_000_000
LEAST_OF_GENERATOR = 10
"""Pictures of a generator without which its AUC is not given, nor counted in mean and worst."""


@dataclass(frozen=True, slots=True)
class Summary:
    """How to summarise: how scores are read, and the seed of the bootstrap."""

    scale: Scale
    seed: int = 0

    def rows(self, scores: Scores) -> tuple[Row, ...]:
        """All rows of ``scores``, one delivery after the other."""
        return tuple(row for name in dict.fromkeys(scores.delivery) for row in self._delivery(scores, name))

    def _delivery(self, scores: Scores, name: str) -> Iterator[Row]:
        part = scores.select(scores.delivery.equal(name))
        where, real = f"delivery={name}", part.label == 0
        if real.all() or not real.any():
            have, lack = ("real", "AI") if real.any() else ("AI", "real")
            note = f"there are only {have} samples: add {lack} ones"
            yield Row("auc", None, None, None, len(part), where, note)
        else:
            yield from overall(part, self.scale, where=where, seed=self.seed)
            yield from generators(part, where)
        yield from self._shares(part, where)

    def _shares(self, part: Scores, where: str) -> Iterator[Row]:
        """Share found of each generator, share falsely accused of each kind of real image."""
        if self.scale.threshold is None:
            return
        called, clusters = part.score > self.scale.threshold, part.clusters()
        sides = ((1, "generator", "true_positive_rate", part.generator), (0, "kind", "false_positive_rate", part.kind))
        for label, name, metric, words in sides:
            for word in words.present():
                mask = words.equal(word) & (part.label == label)
                if word and mask.any():
                    figures = clustered_share(called[mask], clusters[mask])
                    yield Row(metric, *figures, int(mask.sum()), f"{where};{name}={word}")


def overall(part: Scores, scale: Scale, *, where: str, seed: int) -> Iterator[Row]:
    """Every metric of ``part`` with its interval; those that need more real images say how many.

    Rates have Wilson's interval: resamples of a class without one error would claim certainty.
    """
    panel, n, clusters = Panel(part.label, part.score, scale), len(part), part.clusters()
    count = int(np.clip(_RESAMPLED // n, LEAST_RESAMPLES, MOST_RESAMPLES))
    rng = np.random.default_rng(seed)
    low, high = percentiles(bootstrap(panel.values, part.label, clusters, count=count, rng=rng))
    refused = refusals(int(np.sum(part.label == 0)))
    called = part.score > scale.threshold if scale.threshold is not None else None
    sides = {"true_positive_rate": part.label == 1, "false_positive_rate": part.label == 0}
    for i, (name, value) in enumerate(zip(panel.names, panel.estimate(), strict=True)):
        if name in refused:
            yield Row(name, None, None, None, n, where, refused[name])
        elif name == "auc":
            yield Row(name, *auc_interval(part.label, part.score, clusters), n, where)
        elif name in sides and called is not None:
            side = sides[name]
            yield Row(name, *clustered_share(called[side], clusters[side]), int(side.sum()), where)
        else:
            yield Row(name, float(value), float(low[i]), float(high[i]), n, where)


def generators(part: Scores, where: str) -> Iterator[Row]:
    """AUC of each generator against all real images, their mean, and the worst of those with enough images."""
    real, clusters = part.label == 0, part.clusters()
    rows, weights = [], np.zeros(len(part))
    for name in part.generator.present():
        own = part.generator.equal(name) & ~real
        n, group = int(own.sum()), f"{where};generator={name}"
        if not name or not n:
            continue
        if n < LEAST_OF_GENERATOR or len(np.unique(clusters[own])) < 2:
            note = f"needs at least {LEAST_OF_GENERATOR} pictures of two groups, there are {n}"
            yield Row("auc", None, None, None, n, group, note)
            continue
        mask = own | real
        rows.append(Row("auc", *auc_interval(part.label[mask], part.score[mask], clusters[mask]), n, group))
        weights[own] = 1 / n
    yield from rows
    if len(rows) > 1:
        mask = real | (weights > 0)
        labels = part.label[mask]
        area, effect = influence(labels, part.score[mask], weights[mask])
        interval = area_interval(area, variance(effect, labels, clusters[mask]), labels)
        yield Row("auc_macro", area, *interval, int(mask.sum()), where, f"mean of {len(rows)} generators")
    if rows:
        worst = min(rows, key=lambda row: row.value if row.value is not None else 1.0)
        yield replace(worst, metric="auc_worst", group=where, note=worst.group.rpartition("=")[2])
