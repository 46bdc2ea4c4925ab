"""Laws of the classifier as evidence: it accuses above its threshold and twice only, and is silent where it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import NotFound
from filigrane.core.image import decode, encode
from filigrane.core.values import Finding, Picture
from filigrane.core.weights import Card
from filigrane.detector import calibrate
from filigrane.detector.base import Context
from filigrane.detector.calibrate import Calibration
from filigrane.detector.evidence import classifier
from filigrane.detector.policy import load_policy
from filigrane.provenance.trust import TrustStore

Pixels = NDArray[np.uint8]
CALIBRATION = Calibration(1.0, 0.0, 1.5, 0.02, 0.5, 500, "drawn")


class Fixed:
    """A detector that says one number after the other."""

    name = hash = "fixed"
    size_px = 192

    def __init__(self, *scores: float) -> None:
        self._scores = list(scores)

    def llr(self, batch: Pixels) -> NDArray[np.float64]:
        """The next number for all crops."""
        return np.full(len(batch), self._scores.pop(0))


class Talking(Fixed):
    """One that also says which traces speak."""

    def traces(self, crop: Pixels) -> dict[str, float]:
        """What it says of a crop of 192 px a side, and of no other."""
        return {"quiet": 0.05, "spectrum": 0.5, "colours": 2.0, "against": -1.0} if crop.shape[:2] == (192, 192) else {}


@pytest.fixture
def picture(scene: Pixels) -> Picture:
    return decode(encode(scene, "png"))


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(load_policy(), TrustStore(), tmp_path)


@pytest.fixture
def card() -> Card:
    plain = Card("detector", "patches", "x", "", 192, (0.5,) * 3, (0.5,) * 3, "Apache-2.0", 1)
    return replace(plain, calibration=CALIBRATION.to_json())


def _asked(
    monkeypatch: pytest.MonkeyPatch, context: Context, card: Card, *scores: float
) -> classifier.ClassifierEvidence:
    monkeypatch.setattr(classifier, "find_card", lambda name: card)
    monkeypatch.setattr("filigrane.detector.models.load", lambda card: Fixed(*scores))
    return classifier.build(context=context)


def test_two_scores_above_the_threshold_accuse(
    monkeypatch: pytest.MonkeyPatch, context: Context, card: Card, picture: Picture
) -> None:
    found = _asked(monkeypatch, context, card, 2.0, 1.6).examine(picture)
    assert found.finding is Finding.PRESENT
    assert found.llr == pytest.approx(np.log(0.5 / 0.02))
    assert found.false_positive_rate == 0.02
    assert found.details["after_jpeg_75"] == "same"


@pytest.mark.parametrize(("score", "told"), [(2.0, ["colours", "spectrum"]), (-2.0, None)])
def test_an_accusation_says_which_traces_speak_in_the_middle_of_the_picture(
    monkeypatch: pytest.MonkeyPatch, context: Context, card: Card, picture: Picture, score: float, told: object
) -> None:
    monkeypatch.setattr(classifier, "find_card", lambda name: replace(card, name=name))
    monkeypatch.setattr(
        "filigrane.detector.models.load",
        lambda card: Talking() if card.name == classifier.EXPLAINING else Fixed(score, score),
    )
    assert classifier.build(context=context).examine(picture).details.get("traces") == told


def test_a_second_look_can_take_an_accusation_back(
    monkeypatch: pytest.MonkeyPatch, context: Context, card: Card, picture: Picture
) -> None:
    found = _asked(monkeypatch, context, card, 2.0, 1.0).examine(picture)
    assert found.finding is Finding.ABSENT
    assert found.llr < context.policy.thresholds["likely_ai"]


def test_what_lies_below_the_threshold_never_accuses(
    monkeypatch: pytest.MonkeyPatch, context: Context, card: Card, picture: Picture
) -> None:
    steep = replace(card, calibration={**card.calibration, "slope": 50.0})
    found = _asked(monkeypatch, context, steep, 1.4, 1.4).examine(picture)
    assert found.finding is Finding.ABSENT
    assert found.llr < context.policy.thresholds["likely_ai"]


def test_a_low_score_weighs_little_and_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, context: Context, card: Card, picture: Picture
) -> None:
    found = _asked(monkeypatch, context, card, -9.0).examine(picture)
    assert -context.policy.thresholds["conflict"] < found.llr < 0
    assert found.details["after_jpeg_75"] == "not asked"


def test_a_score_that_shows_no_sign_never_speaks_for_ai(
    monkeypatch: pytest.MonkeyPatch, context: Context, card: Card, picture: Picture
) -> None:
    offset = context.policy.thresholds["inconclusive"] - 0.01
    leaning = replace(card, calibration={**card.calibration, "slope": 1e-6, "offset": offset})
    found = _asked(monkeypatch, context, leaning, 0.0).examine(picture)
    assert "no sign" in found.summary
    assert found.llr == 0


def test_the_users_own_calibration_comes_first(
    monkeypatch: pytest.MonkeyPatch, context: Context, card: Card, picture: Picture
) -> None:
    calibrate.write(replace(CALIBRATION, threshold=5.0), context.home / calibrate.OWN_CALIBRATION)
    found = _asked(monkeypatch, context, card, 2.0, 2.0).examine(picture)
    assert found.finding is Finding.ABSENT


def test_small_pictures_missing_weights_and_missing_libraries_are_unavailable(
    monkeypatch: pytest.MonkeyPatch, context: Context, scene: Pixels, picture: Picture
) -> None:
    small = decode(encode(scene[:40, :60], "png"))
    assert classifier.build(context=context).examine(small).finding is Finding.UNAVAILABLE

    def missing(name: str) -> Card:
        raise NotFound("There are no weights.")

    monkeypatch.setattr(classifier, "find_card", missing)
    found = classifier.build(context=context).examine(picture)
    assert (found.finding, found.llr) == (Finding.UNAVAILABLE, 0.0)
    assert "no weights" in found.summary
