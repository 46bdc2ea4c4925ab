"""The charts of a report: what each shows is said in its caption, with the numbers it rests on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from filigrane.core.values import Row
from filigrane.eval import metrics
from filigrane.eval.groups import parts_of
from filigrane.eval.intervals import wilson
from filigrane.eval.metrics import Float, Ranking
from filigrane.eval.panel import Scale
from filigrane.eval.scores import Scores
from filigrane.eval.svg import Axis, Bar, Line, bars, chart

TENTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_MOST_BARS = 60


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its heading and what to read from it."""

    title: str
    svg: str
    caption: str


def _probit(values: Float) -> Float:
    normal = NormalDist()
    return np.array([normal.inv_cdf(float(v)) for v in values])


def charts(scores: Scores, scale: Scale, rows: Sequence[Row]) -> Iterator[Chart]:
    """Every chart that the data bear: curves of up to six deliveries, the rest of the first one, then the rows."""
    names = [name for name in dict.fromkeys(scores.delivery) if _both(scores.select(scores.delivery.equal(name)))]
    if names:
        shown = {name: scores.select(scores.delivery.equal(name)) for name in names[:6]}
        yield from _curves(shown)
        first = shown[names[0]]
        yield _histogram(first, scale)
        if scale.llr:
            yield _reliability(first)
        if scale.threshold is not None:
            yield _risk(shown, scale.threshold)
    yield from _bars(rows)
    yield from _deliveries(rows)
    yield from _robustness(rows, "auc", "delivery")


def _both(part: Scores) -> bool:
    return 0 < int(np.sum(part.label)) < len(part)


def _curves(shown: dict[str, Scores]) -> Iterator[Chart]:
    curves = {name: Ranking(p.label, p.score).curve(np.ones(len(p))) for name, p in shown.items()}
    n_real = min(int(np.sum(part.label == 0)) for part in shown.values())
    n_ai = min(int(np.sum(part.label == 1)) for part in shown.values())
    floor = 10.0 ** -max(1, int(np.ceil(np.log10(n_real))))
    decades = tuple(10.0**k for k in range(round(np.log10(floor)), 1))
    share = Axis("AI pictures found", 0, 1, TENTHS)
    false = Axis("real pictures accused (log scale)", floor, 1, decades, np.log10)
    chance = np.geomspace(floor, 1, 100)
    lines = [Line("chance", chance, chance, dashed=True)]
    lines += [Line(name, curve.fpr, curve.tpr) for name, curve in curves.items()]
    yield Chart("ROC", chart("ROC curve, logarithmic", false, share, lines), f"{n_ai} AI and {n_real} real pictures.")
    lines = []
    for name, curve in curves.items():
        called = curve.tp[1:] + curve.fp[1:]
        lines.append(Line(name, curve.tpr[1:], curve.tp[1:] / called))
    base = n_ai / (n_ai + n_real)
    lines.insert(0, Line("chance", np.array([0.0, 1.0]), np.array([base, base]), dashed=True))
    precision = Axis("of those called AI, are AI", 0, 1, TENTHS)
    svg = chart("Precision and recall", share, precision, lines)
    yield Chart("Precision and recall", svg, f"Depends on the share of AI in this set: {base:.0%}.")
    ticks, low = (0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95), 0.005
    axes = [Axis(label, low, 0.98, ticks, _probit) for label in ("real pictures accused", "AI pictures missed")]
    even = np.linspace(low, 0.98, 60)
    lines = [Line("equal error", even, even, dashed=True)]
    lines += [Line(name, curve.fpr, 1 - curve.tpr) for name, curve in curves.items()]
    svg = chart("Detection error trade-off", axes[0], axes[1], lines)
    yield Chart(
        "Error trade-off (DET)", svg, "Both errors on normal scales; the dashed line meets the equal error rate."
    )


def _histogram(part: Scores, scale: Scale) -> Chart:
    low, high = np.quantile(part.score, [0.002, 0.998])
    high = high if high > low else low + 1
    edges = np.linspace(low, high, 31)
    middles = (edges[1:] + edges[:-1]) / 2
    heights = []
    for label in (0, 1):
        inside = part.score[part.label == label].clip(low, high)
        heights.append(np.histogram(inside, edges)[0] / len(inside))
    top = float(max(map(np.max, heights)))
    x = Axis("score" + (" (nats, above 0 for AI)" if scale.llr else ""), low, high, _ticks(low, high))
    y = Axis("share of each class", 0, top, _ticks(0, top), form="{:.2g}")
    lines = [Line(name, middles, height, area=True) for name, height in zip(("real", "AI"), heights, strict=True)]
    if scale.threshold is not None and low < scale.threshold < high:
        lines.append(Line("threshold", np.full(2, scale.threshold), np.array([0.0, top]), dashed=True))
    return Chart("Scores", chart("Histogram of scores", x, y, lines), "The dashed line is the frozen threshold.")


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Four to eight round values between ``low`` and ``high``."""
    step = 10.0 ** np.floor(np.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 8)
    return tuple(float(round(v, 10)) for v in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step)


def _reliability(part: Scores) -> Chart:
    prior = float(part.label.mean())
    chances = metrics.probability(part.score, prior)
    place = np.clip((chances * 10).astype(int), 0, 9)
    filled = [k for k in range(10) if np.any(place == k)]
    said = np.array([chances[place == k].mean() for k in filled])
    true = np.array([part.label[place == k].mean() for k in filled])
    spans = [wilson(float(part.label[place == k].sum()), float(np.sum(place == k))) for k in filled]
    low, high = (np.array([span[side] for span in spans]) for side in (0, 1))
    ideal = np.array([0.0, 1.0])
    lines = [Line("calibrated", ideal, ideal, dashed=True), Line("observed", said, true, low, high, dots=True)]
    axes = Axis("probability stated", 0, 1, TENTHS), Axis("share that is AI", 0, 1, TENTHS)
    caption = f"Probabilities where {prior:.0%} are AI, as here; on the diagonal they are what comes true."
    return Chart("Reliability", chart("Reliability", *axes, lines), caption)


def _risk(shown: dict[str, Scores], threshold: float) -> Chart:
    lines = []
    for name, part in shown.items():
        margin = part.score - threshold
        order = np.argsort(-np.abs(margin), kind="stable")
        wrong = ((margin > 0) != (part.label == 1))[order].astype(np.float64)
        coverage, risk = metrics.risk_coverage(np.ones(len(wrong)), wrong)
        keep = slice(min(len(wrong) - 1, len(wrong) // 50), None)
        lines.append(Line(name, coverage[keep], risk[keep]))
    top = max(0.05, *(float(line.y.max()) for line in lines))
    axes = Axis("share of pictures answered", 0, 1, TENTHS), Axis("error among them", 0, top, _ticks(0, top))
    return Chart(
        "Risk and coverage", chart("Risk and coverage", *axes, lines), "Left: only the surest answers are given."
    )


def _bars(rows: Sequence[Row]) -> Iterator[Chart]:
    """Per generator and per kind of real picture, under the first delivery."""
    first = next((parts_of(row.group).get("delivery") for row in rows if "delivery" in parts_of(row.group)), None)
    wanted = (
        ("auc", "generator", "AUC of each generator against all real pictures", 0.5),
        ("true_positive_rate", "generator", "Share found of each generator", None),
        ("false_positive_rate", "kind", "Share accused of each kind of real picture", None),
    )
    for metric, key, title, mark in wanted:
        items = []
        for row in rows:
            parts = parts_of(row.group)
            if row.metric == metric and parts.get("delivery") == first and key in parts and row.value is not None:
                items.append(Bar(parts[key], row.value, row.low, row.high, f"n {row.n}"))
        if items:
            items.sort(key=lambda bar: bar.value, reverse=key == "kind")
            axis = Axis(metric.replace("_", " "), 0, 1, TENTHS)
            caption = (
                f"Worst first, with 95 % intervals{f'; the first {_MOST_BARS}' if len(items) > _MOST_BARS else ''}."
            )
            yield Chart(title, bars(title, axis, items[:_MOST_BARS], mark=mark), caption)


def mark_charts(rows: Sequence[Row]) -> Iterator[Chart]:
    """How many messages of each watermark method come back, for every attack that was tried at several strengths."""
    yield from _robustness(rows, "message_recovery", "attack")


def _deliveries(rows: Sequence[Row]) -> Iterator[Chart]:
    """AUC under each delivery."""
    found = [(parts_of(row.group), row) for row in rows if row.metric == "auc" and row.value is not None]
    found = [(parts, row) for parts, row in found if list(parts) == ["delivery"]]
    if len(found) < 2:
        return
    clean = next((row.value for parts, row in found if parts["delivery"] == "none"), None)
    items = [
        Bar(parts["delivery"], row.value, row.low, row.high, f"{row.value:.3f}")
        for parts, row in found
        if row.value is not None
    ]
    svg = bars("AUC under each delivery", Axis("auc", 0, 1, TENTHS), items, mark=clean)
    yield Chart("Robustness", svg, "AUC under each delivery; the dashed line is the untouched picture.")


def _robustness(rows: Sequence[Row], metric: str, key: str) -> Iterator[Chart]:
    """``metric`` over the strengths of each attack, which the groups name under ``key``; a line for each method."""
    curves: dict[str, dict[str, list[tuple[float, Row]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        parts = parts_of(row.group)
        attack, _, strength = parts.pop(key, "").partition("-")
        if row.metric == metric and strength and set(parts) <= {"method"} and row.value is not None:
            curves[attack][parts.get("method", attack)].append((float(strength), row))
    for attack, methods in curves.items():
        strengths = sorted({at for points in methods.values() for at, _ in points})
        if len(strengths) > 1:
            axis = Axis(f"strength of {attack}", strengths[0], strengths[-1], tuple(strengths))
            lines = [_line(method, points) for method, points in methods.items()]
            title = f"Robustness to {attack.replace('_', ' ')}"
            share = Axis(metric.replace("_", " "), 0, 1, TENTHS)
            yield Chart(title, chart(title, axis, share, lines), "With the 95 % band.")


def _line(name: str, points: list[tuple[float, Row]]) -> Line:
    points.sort(key=lambda point: point[0])
    x, y, low, high = np.array([(at, row.value, row.low, row.high) for at, row in points], np.float64).T
    return Line(name, x, y, low, high, dots=True)
