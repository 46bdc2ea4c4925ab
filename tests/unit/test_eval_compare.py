"""Comparisons give the published figures, and say no more than they show."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import UsageError
from filigrane.eval.auc import influence, variance
from filigrane.eval.compare import Difference, compare, delong, holm, mcnemar, paired
from filigrane.eval.panel import Scale
from filigrane.eval.scores import Scored, Scores

# 113 patients with subarachnoid haemorrhage (Turck et al. 2010): poor outcome, clinical grade WFNS, protein S100B in
# 0.01 ug/l. The expected figures are those that the R package pROC publishes for this data set in its own tests.
OUTCOME = (
    "00001101001011001011101000000000100110110000000001100010001010011101101111000110100000010000000000001111110001000"
)
WFNS = (
    "11113254125255125225211112121134214541425511241125521251222151125214524414121421232421451154221113125225552445111"
)
S100B = (
    "13 14 10 4 13 10 47 16 18 10 12 10 44 71 4 8 49 4 7 33 9 9 7 11 7 17 7 11 13 19 5 16 41 14 34 35 48 9 96 25 50 46 "
    "16 7 43 45 11 8 9 86 52 8 6 13 207 10 14 15 7 6 77 5 9 30 3 9 4 23 70 9 27 71 8 26 8 16 9 13 10 8 11 33 11 28 7 "
    "10 32 22 7 5 24 38 10 15 8 14 10 7 4 19 56 14 58 32 82 74 15 47 17 44 15 50 48"
)
LABELS = np.array(list(OUTCOME), np.int8)
GRADE = np.array(list(WFNS), np.float64)
PROTEIN = np.array(S100B.split(), np.float64)
ALONE = np.arange(113)


def test_areas_and_variances_equal_those_published() -> None:
    for scores, area, spread in ((GRADE, 0.8236789, 0.00146991470882363), (PROTEIN, 0.7313686, 0.00266868245717244)):
        found, effect = influence(LABELS, scores)
        assert found == pytest.approx(area, abs=5e-8)
        assert variance(effect, LABELS, ALONE) == pytest.approx(spread, abs=1e-14)


def test_delong_equals_the_published_test() -> None:
    second, first, error, p = delong(LABELS, GRADE, PROTEIN, ALONE)
    assert (second - first) / error == pytest.approx(2.20898359144091, abs=1e-11)
    assert p == pytest.approx(0.0271757822291882, abs=1e-12)
    half = 1.959963984540054 * error
    assert second - first - half == pytest.approx(0.0104061769564846, abs=1e-12)
    assert second - first + half == pytest.approx(0.174214419249478, abs=1e-12)


def test_delong_of_a_column_with_itself_shows_nothing() -> None:
    assert delong(LABELS, GRADE, GRADE, ALONE)[2:] == (0.0, 1.0)


def test_clusters_of_one_change_nothing_and_copies_add_nothing() -> None:
    alone = delong(LABELS, GRADE, PROTEIN, ALONE)
    copied = delong(np.tile(LABELS, 3), np.tile(GRADE, 3), np.tile(PROTEIN, 3), np.tile(ALONE, 3))
    assert copied == pytest.approx(alone, rel=1e-9)


def test_mcnemar_is_the_sign_test_of_those_where_the_two_differ() -> None:
    first = np.array([True] * 8 + [False] * 2 + [True] * 90)
    second = np.array([False] * 8 + [True] * 2 + [True] * 90)
    assert mcnemar(first, second) == pytest.approx(2 * (1 + 10 + 45) / 2**10)
    assert mcnemar(first, first) == 1.0


def test_holm_never_lowers_a_p_value_and_keeps_their_order(rng: np.random.Generator) -> None:
    p_values = rng.random(20) ** 4
    corrected = np.array(holm([float(p) for p in p_values]))
    assert np.all(corrected >= p_values)
    assert np.all(np.diff(corrected[np.argsort(p_values)]) >= 0)
    assert corrected.min() == pytest.approx(min(1.0, 20 * p_values.min()))


def _table(scores: NDArray[np.float64], labels: NDArray[np.int8] = LABELS) -> Scores:
    pairs = enumerate(zip(labels, scores, strict=True))
    return Scores.of(Scored(f"{i}.png", f"{i:x}", int(label), float(score)) for i, (label, score) in pairs)


SCALES = (Scale(threshold=2.5, llr=False), Scale(threshold=20.0, llr=False))


def test_comparison_pairs_by_image_whatever_the_order(rng: np.random.Generator) -> None:
    order = rng.permutation(113)
    straight = compare(_table(GRADE), _table(PROTEIN), SCALES)
    rows = [Scored(f"{i}.png", f"{i:x}", int(LABELS[i]), float(PROTEIN[i])) for i in order]
    assert compare(_table(GRADE), Scores.of(rows), SCALES) == straight
    by_name = {difference.metric: difference for difference in straight}
    assert by_name["auc"].p_value == pytest.approx(0.0271757822291882, abs=1e-12)
    assert by_name["auc"].p_holm == pytest.approx(min(1, 2 * 0.0271757822291882), abs=1e-12)
    assert by_name["equal_error_rate"].p_value is None
    assert by_name["accuracy"].test == "McNemar"


def test_a_detector_compared_with_itself_differs_nowhere() -> None:
    for difference in compare(_table(GRADE), _table(GRADE), (SCALES[0], SCALES[0])):
        assert difference.low <= 0 <= difference.high
        assert "includes zero" in difference.sentence("A", "B")


def test_sentences_claim_a_difference_only_where_it_is_shown() -> None:
    shown = Difference("auc", "none", 0.7, 0.8, 0.05, 0.15, 500, "DeLong", 0.001, 0.004)
    assert "higher" in shown.sentence("A", "B")
    lost = Difference("auc", "none", 0.7, 0.8, 0.01, 0.19, 500, "DeLong", 0.03, 0.12)
    assert "but not once it is corrected" in lost.sentence("A", "B")


def test_results_that_share_nothing_or_disagree_are_refused() -> None:
    other = Scores.of([Scored("x.png", "ff00", 1, 0.3)])
    with pytest.raises(UsageError, match="share no image"):
        paired(_table(GRADE), other)
    with pytest.raises(UsageError, match="disagree"):
        paired(_table(GRADE), _table(GRADE, (1 - LABELS).astype(np.int8)))
