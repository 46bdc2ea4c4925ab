"""Laws of calibration: bounds hold, thresholds are kept, one shift carries the llr along."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import UnreadableInput, UsageError
from filigrane.detector import calibrate
from filigrane.detector.calibrate import Calibration, Sample

pytest.importorskip("sklearn")


def _sample(scores: NDArray[np.float64], labels: NDArray[np.int8]) -> Sample:
    return Sample(scores, np.full(len(scores), -3.0), labels, np.ones(len(scores)), np.full(len(scores), "clean"))


@pytest.fixture
def found(rng: np.random.Generator) -> Calibration:
    scores = np.concatenate([rng.normal(-1, 1, 2000), rng.normal(1, 1, 2000)])
    labels = np.repeat(np.array([0, 1], np.int8), 2000)
    return calibrate.fitted(_sample(scores, labels), false_positive_rate=0.02, data="drawn")


def test_llr_of_two_normals_is_the_known_one(found: Calibration) -> None:
    assert found.slope == pytest.approx(2.0, abs=0.2)
    assert found.offset == pytest.approx(0.0, abs=0.15)


def test_weights_of_the_classes_do_not_move_the_llr(rng: np.random.Generator) -> None:
    scores = np.concatenate([rng.normal(-1, 1, 2000), rng.normal(1, 1, 2000)])
    labels = np.repeat(np.array([0, 1], np.int8), 2000)
    even = calibrate.fitted(_sample(scores, labels), false_positive_rate=0.05, data="")
    heavy = replace(_sample(scores, labels), weights=np.where(labels == 1, 9.0, 1.0))
    skewed = calibrate.fitted(heavy, false_positive_rate=0.05, data="")
    assert skewed.offset == pytest.approx(even.offset, abs=1e-3)


@pytest.mark.parametrize("rate", [0.01, 0.02, 0.1])
def test_the_bound_on_the_share_above_the_threshold_is_kept(rng: np.random.Generator, rate: float) -> None:
    scores = rng.normal(size=1000)
    hits = int(np.sum(scores > calibrate.threshold_for(scores, rate)))
    assert calibrate.upper_bound(hits, 1000) <= rate < calibrate.upper_bound(hits + 1, 1000)


def test_the_threshold_holds_on_fresh_pictures(rng: np.random.Generator) -> None:
    over = [
        np.mean(rng.normal(size=4000) > calibrate.threshold_for(rng.normal(size=800), 0.05)) > 0.05 for _ in range(60)
    ]
    assert np.mean(over) <= 0.15


def test_the_bound_holds_under_each_delivery_and_a_second_look_at_a_picture_adds_nothing(
    rng: np.random.Generator,
) -> None:
    labels = np.repeat(np.array([0, 1], np.int8), 400)
    once = _sample(np.concatenate([rng.normal(-1, 1, 400), rng.normal(1, 1, 400)]), labels)
    web = np.where(labels == 0, once.scores - 1, once.scores)
    both = Sample(
        scores=np.concatenate([once.scores, web]),
        details=np.tile(once.details, 2),
        labels=np.tile(labels, 2),
        weights=np.tile(once.weights, 2),
        deliveries=np.repeat(np.array(["clean", "web"]), 800),
    )
    alone, together = (calibrate.fitted(each, false_positive_rate=0.05, data="") for each in (once, both))
    assert together.n_real == alone.n_real == 400
    assert together.threshold == alone.threshold
    with pytest.raises(UsageError, match="40 real pictures"):
        few = replace(once, deliveries=np.array(["rare"] * 40 + ["clean"] * 760))
        calibrate.fitted(few, false_positive_rate=0.05, data="")


def test_too_few_pictures_are_refused_with_the_number_needed() -> None:
    with pytest.raises(UsageError, match="at least 299"):
        calibrate.threshold_for(np.zeros(100), 0.01)
    with pytest.raises(UsageError):
        calibrate.threshold_for(np.zeros(100), 1.5)
    calibrate.threshold_for(np.arange(299.0), 0.01)


def test_one_class_is_no_calibration() -> None:
    with pytest.raises(UsageError, match="one class"):
        calibrate.fitted(_sample(np.zeros(9), np.zeros(9, np.int8)), false_positive_rate=0.5, data="")


def test_moving_the_threshold_carries_the_llr_along(found: Calibration, rng: np.random.Generator) -> None:
    other = calibrate.moved(found, rng.normal(3, 1, 1000), false_positive_rate=0.02, data="mine")
    assert other.threshold > found.threshold
    assert other.llr(other.threshold) == pytest.approx(found.llr(found.threshold))


def test_a_calibration_survives_being_written(found: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    assert calibrate.read(path) is None
    calibrate.write(found, path)
    assert calibrate.read(path) == found


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"slope": "nan"}'])
def test_broken_files_are_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(UnreadableInput, match="calibrat"):
        calibrate.read(path)


def test_worn_pictures_are_read_as_if_they_were_not(rng: np.random.Generator) -> None:
    labels = np.repeat(np.array([0, 1], np.int8), 4000)
    details = rng.uniform(-4.0, -2.0, 8000)
    strength = 1 + 0.3 * (details + 3)
    scores = rng.normal(np.where(labels == 1, 1.0, -1.0), 1.0) * strength + 0.5 * (details + 3)
    found = calibrate.fitted(replace(_sample(scores, labels), details=details), false_positive_rate=0.05, data="")
    pairs = zip(scores.tolist(), details.tolist(), strict=True)
    standard = np.array([found.standard(score, detail) for score, detail in pairs])
    for worn in (details < -3.5, details > -2.5):
        accused = (standard > found.threshold)[worn & (labels == 0)].mean()
        assert accused == pytest.approx(0.045, abs=0.03)
    raw = [(scores > np.quantile(scores[labels == 0], 0.95))[worn & (labels == 0)].mean() for worn in (details < -3.5,)]
    assert raw[0] < 0.03


def test_a_condition_far_from_all_that_was_seen_changes_no_more_than_the_farthest_seen(found: Calibration) -> None:
    tilted = replace(found, tilt=0.4, shift=1.0, usual=-3.0)
    assert tilted.standard(1.0, 50.0) == tilted.standard(1.0, -1.5)
    assert tilted.standard(1.0, -3.0) == 1.0
