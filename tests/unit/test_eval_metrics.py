"""Metrics equal scikit-learn's, intervals cover what they claim, and refusals say what they need."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from filigrane.eval import metrics
from filigrane.eval.auc import influence, variance
from filigrane.eval.intervals import auc_interval, bootstrap, clustered_share, percentiles, resamples, wilson
from filigrane.eval.metrics import Float, Labels, Ranking
from filigrane.eval.panel import Panel, Scale
from filigrane.eval.scores import Scored, Scores
from filigrane.eval.summary import Summary


def _draw(rng: np.random.Generator, n: int, *, step: float = 0.0) -> tuple[Labels, Float]:
    """Labels and scores; with ``step`` the scores are rounded to it, so that many are equal."""
    labels = (rng.random(n) < 0.4).astype(np.int8)
    scores = rng.normal(size=n) + 1.2 * labels
    return labels, np.round(scores / step) * step if step else scores


@pytest.mark.parametrize("step", [0.0, 0.5])
def test_metrics_equal_those_of_scikit_learn(rng: np.random.Generator, step: float) -> None:
    labels, scores = _draw(rng, 700, step=step)
    weights = rng.integers(0, 4, 700).astype(np.float64)
    curve = Ranking(labels, scores).curve(np.stack([np.ones(700), weights]))
    for row, weight in enumerate((None, weights)):
        expected = reference.roc_auc_score(labels, scores, sample_weight=weight)
        assert metrics.auc(curve)[row] == pytest.approx(expected, abs=1e-12)
        expected = reference.average_precision_score(labels, scores, sample_weight=weight)
        assert metrics.average_precision(curve)[row] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("step", [0.0, 0.5])
def test_panel_equals_scikit_learn_at_the_threshold_and_for_probabilities(
    rng: np.random.Generator, step: float
) -> None:
    labels, scores = _draw(rng, 500, step=step)
    panel = Panel(labels, scores, Scale(threshold=0.5))
    values = dict(zip(panel.names, panel.estimate(), strict=True))
    called = scores > 0.5
    assert values["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(labels, called), abs=1e-12)
    assert values["true_positive_rate"] == pytest.approx(reference.recall_score(labels, called), abs=1e-12)
    chances = 1 / (1 + np.exp(-scores - np.log(labels.mean() / (1 - labels.mean()))))
    assert values["brier"] == pytest.approx(reference.brier_score_loss(labels, chances), abs=1e-12)


def test_tpr_at_fpr_is_the_best_threshold_that_keeps_the_promise(rng: np.random.Generator) -> None:
    labels, scores = _draw(rng, 400, step=0.1)
    fpr, tpr, _ = reference.roc_curve(labels, scores, drop_intermediate=False)
    curve = Ranking(labels, scores).curve(np.ones(400))
    for limit in (0.0, 0.01, 0.05, 1.0):
        assert metrics.tpr_at_fpr(curve, limit) == pytest.approx(tpr[fpr <= limit].max(), abs=1e-12)


def test_equal_error_rate_lies_on_the_curve_where_both_errors_meet() -> None:
    labels = np.array([1, 0, 1, 0], np.int8)
    curve = Ranking(labels, np.array([4.0, 3.0, 2.0, 1.0])).curve(np.ones(4))
    assert metrics.equal_error_rate(curve) == pytest.approx(0.5)
    perfect = Ranking(labels, labels.astype(np.float64)).curve(np.ones(4))
    assert metrics.equal_error_rate(perfect) == 0


def test_calibration_error_is_the_weighted_gap_of_the_bins(rng: np.random.Generator) -> None:
    chances = np.sort(rng.random(2000))[::-1]
    positive = (rng.random(2000) < chances**2).astype(np.float64)
    bins = np.clip((chances * metrics.BINS).astype(int), 0, metrics.BINS - 1)
    gaps = [np.abs(np.sum((positive - chances)[bins == k])) for k in range(metrics.BINS)]
    found = metrics.calibration_error(np.ones(2000), positive, chances)
    assert found == pytest.approx(np.sum(gaps) / 2000, abs=1e-12)


def test_a_detector_that_knows_when_it_errs_has_less_area_under_risk() -> None:
    wrong = np.array([0.0, 0.0, 0.0, 1.0])
    knows, ignorant = (metrics.area_under_risk(np.ones(4), order) for order in (wrong, wrong[::-1]))
    assert knows == pytest.approx(1 / 16)
    assert ignorant > 0.25 > knows


def test_area_under_the_curve_agrees_with_its_influence_form(rng: np.random.Generator) -> None:
    labels, scores = _draw(rng, 300, step=0.2)
    area, effect = influence(labels, scores)
    assert area == pytest.approx(reference.roc_auc_score(labels, scores), abs=1e-12)
    assert effect.sum() == pytest.approx(0, abs=1e-12)


def test_copies_of_a_sample_add_nothing_once_they_are_one_cluster(rng: np.random.Generator) -> None:
    labels, scores = _draw(rng, 200)
    alone = variance(influence(labels, scores)[1], labels, np.arange(200))
    copies = np.tile(labels, 4), np.tile(scores, 4)
    clustered = variance(influence(*copies)[1], copies[0], np.tile(np.arange(200), 4))
    naive = variance(influence(*copies)[1], copies[0], np.arange(800))
    assert clustered == pytest.approx(alone, rel=1e-9)
    assert naive < alone / 3
    hits = rng.random(200) < 0.3
    figures, repeated = (
        clustered_share(hits, np.arange(200)),
        clustered_share(np.tile(hits, 4), np.tile(np.arange(200), 4)),
    )
    assert repeated == pytest.approx(figures, abs=0.002)


def test_resamples_keep_the_classes_and_draw_clusters_whole(rng: np.random.Generator) -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 0, 1], np.int8)
    clusters = np.array([5, 5, 2, 3, 3, 9, 7, 7])
    for weights in resamples(labels, clusters, count=50, rng=rng):
        assert np.all(weights[:, clusters == 5].std(axis=1) == 0)
        assert np.all(weights[:, [0, 2]].sum(axis=1) == 2), "two clusters of real samples alone"
        assert np.all(weights[:, 6] == 1), "the only mixed cluster"


def test_wilson_covers_a_share(rng: np.random.Generator) -> None:
    counts = rng.binomial(60, 0.2, size=4000)
    known = {int(k): wilson(int(k), 60) for k in np.unique(counts)}
    covered = np.mean([known[int(k)][0] <= 0.2 <= known[int(k)][1] for k in counts])
    assert 0.93 <= covered <= 0.97


def test_delong_interval_covers_the_area(rng: np.random.Generator) -> None:
    truth = 0.8019  # Phi(1.2 / sqrt(2)), the area between two unit normals 1.2 apart
    draws = [auc_interval(*_draw(rng, 150), np.arange(150)) for _ in range(500)]
    assert 0.93 <= np.mean([low <= truth <= high for _, low, high in draws]) <= 0.97


@pytest.mark.slow
def test_bootstrap_covers_balanced_accuracy_of_clustered_samples(rng: np.random.Generator) -> None:
    covered, runs, truth = (
        0,
        2000,
        0.7257,
    )  # Phi(0.6): two unit normals, halfway between their means, which are 1.2 apart
    for _ in range(runs):
        labels = np.repeat((np.arange(120) % 2).astype(np.int8), 3)
        shared = np.repeat(rng.normal(size=120), 3)
        scores = np.sqrt(0.5) * (shared + rng.normal(size=360)) + 1.2 * labels - 0.6
        panel = Panel(labels, scores, Scale())
        at = panel.names.index("balanced_accuracy")
        clusters = np.repeat(np.arange(120), 3)
        low, high = percentiles(bootstrap(panel.values, labels, clusters, count=400, rng=rng))[:, at]
        covered += low <= truth <= high
    assert 0.93 <= covered / runs <= 0.97, covered / runs


def _table(labels: Labels, scores: Float) -> Scores:
    rows = zip(labels, scores, strict=True)
    return Scores.of(
        Scored(f"{i}", f"{i:x}", int(label), float(score), f"g{i % 3}" * int(label), "photo" * (1 - int(label)))
        for i, (label, score) in enumerate(rows)
    )


def test_rates_too_small_for_the_sample_are_refused_with_the_number_needed(rng: np.random.Generator) -> None:
    rows = Summary(Scale()).rows(_table(*_draw(rng, 200)))
    refused = {row.metric: row.note for row in rows if row.value is None}
    assert set(refused) == {"tpr_at_fpr_0.01", "tpr_at_fpr_0.001"}
    assert "300" in refused["tpr_at_fpr_0.01"]
    assert "3000" in refused["tpr_at_fpr_0.001"]


def test_calibration_is_judged_at_the_mix_of_the_set(rng: np.random.Generator) -> None:
    for share in (0.1, 0.5):
        labels = (rng.random(40_000) < share).astype(np.int8)
        true_llr = rng.normal(np.where(labels == 1, 0.5, -0.5), 1.0)  # two unit normals 1 apart have this ratio
        panel = Panel(labels, true_llr, Scale())
        values = dict(zip(panel.names, panel.estimate(), strict=True))
        assert values["calibration_error"] < 0.02


def test_every_figure_lies_in_its_interval_and_has_its_n(rng: np.random.Generator) -> None:
    rows = Summary(Scale()).rows(_table(*_draw(rng, 300)))
    for row in rows:
        if row.value is not None and row.low is not None and row.high is not None:
            assert row.low <= row.value <= row.high or row.metric == "calibration_error"
            assert row.n > 0
    named = {row.metric: row for row in rows}
    assert named["auc_macro"].note == "mean of 3 generators"
    assert {row.group for row in rows if row.metric == "false_positive_rate"} >= {"delivery=none;kind=photo"}


def test_no_error_among_few_pictures_is_not_certainty() -> None:
    labels = np.repeat(np.array([0, 1], np.int8), 10)
    rows = {
        row.metric: row
        for row in Summary(Scale()).rows(_table(labels, labels.astype(np.float64) * 2 - 1))
        if row.group[-4:] == "none"
    }
    accused, found = rows["false_positive_rate"], rows["true_positive_rate"]
    assert accused.n == 10 and accused.high == pytest.approx(wilson(0, 10)[1])
    assert found.n == 10 and found.low == pytest.approx(wilson(10, 10)[0])


def test_one_class_alone_gives_shares_and_says_what_lacks(rng: np.random.Generator) -> None:
    rows = Summary(Scale()).rows(_table(np.zeros(50, np.int8), rng.normal(size=50)))
    assert rows[0].value is None and "AI" in rows[0].note
    assert rows[1].metric == "false_positive_rate"


def test_scores_that_are_no_probabilities_get_no_calibration() -> None:
    assert Panel(np.array([0, 1], np.int8), np.array([3.0, 9.0]), Scale(threshold=None, llr=False)).names == (
        "auc",
        "average_precision",
        "equal_error_rate",
        "tpr_at_fpr_0.05",
        "tpr_at_fpr_0.01",
        "tpr_at_fpr_0.001",
    )
