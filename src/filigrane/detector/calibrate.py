"""From scores to evidence: log-likelihood ratios, a threshold with a bound on false accusations, and a band of doubt.

Scores become llr by Platt scaling (Platt, 1999) with both classes weighing the same, so that an llr needs no prior.
Before that, a score is brought to what it would be for a picture in the usual condition: compression and resizing pull
scores together, so the same score means more on a worn picture. The threshold is the score above which at most a stated
share of real pictures lie, by the upper Clopper-Pearson bound (1934) at 95 %, not by the measured share alone, under
each delivery for itself. The bound takes every picture for a draw of its own; those of one source resemble each other,
so it is tighter than what new sources would bear out. A score under the threshold is never allowed to accuse.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import MissingExtra, UnreadableInput, UsageError
from filigrane.core.files import write_atomically
from filigrane.core.values import Json
from filigrane.core.weights import Card

CONFIDENCE = 0.95
OWN_CALIBRATION = "classifier-calibration.json"
"""The file in the home folder that holds a user's own calibration."""
_FARTHEST = 1.5
_STEEPEST = 0.4

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Pictures nobody trained on: ``scores``, ``details`` (see `condition.detail`), ``labels`` (1 is AI), ``weights``.

    Each is an array (N,); a picture may be there once under each of the ``deliveries``.
    """

    scores: Floats
    details: Floats
    labels: NDArray[np.int8]
    weights: Floats
    deliveries: NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How scores are read: ``llr = slope * score + offset``, and what lies above ``threshold``.

    ``false_positive_rate`` (0-1) bounds the share of real pictures above the threshold under any delivery, with 95 %
    confidence, measured on at least ``n_real`` of them under each; ``true_positive_rate`` is the measured share of AI
    pictures above it. For each nat of detail that a picture has over the ``usual`` one, its score is stretched by
    ``tilt`` and moved by ``shift``.
    """

    slope: float
    offset: float
    threshold: float
    false_positive_rate: float
    true_positive_rate: float
    n_real: int
    data: str
    tilt: float = 0.0
    shift: float = 0.0
    usual: float = 0.0

    def standard(self, score: float, detail: float) -> float:
        """What a score of a picture with so much detail would be in the usual condition.

        >>> Calibration(1, 0, 2, 0.02, 0.4, 500, "", tilt=-0.5, shift=0.25, usual=-3.0).standard(1.0, -4.0)
        1.25
        """
        over = min(max(detail - self.usual, -_FARTHEST), _FARTHEST)
        return score * (1 + self.tilt * over) + self.shift * over

    def llr(self, score: float) -> float:
        """Nats for AI of one score."""
        return self.slope * score + self.offset

    def accuses(self, score: float) -> bool:
        """Whether a score lies above the threshold."""
        return score > self.threshold

    @property
    def llr_above(self) -> float:
        """Nats that being above the threshold is worth by itself: the ratio of the two rates.

        >>> round(Calibration(1, 0, 2, 0.02, 0.4, 500, "").llr_above, 2)
        3.0
        """
        return math.log(max(self.true_positive_rate, 1e-6) / self.false_positive_rate)

    def to_json(self) -> dict[str, Json]:
        """As stored in a card."""
        return asdict(self)


def of_card(card: Card) -> Calibration:
    """The calibration in ``card``; UnreadableInput where it has none."""
    return from_json(card.calibration, f"The card {card.name}")


def in_force(home: Path, card: Card) -> Calibration:
    """The user's own calibration in ``home`` where there is one, else that of ``card``; UnreadableInput."""
    own = read(home / OWN_CALIBRATION)
    return own if own is not None else of_card(card)


def from_json(raw: Mapping[str, Json], where: str) -> Calibration:
    """The calibration in ``raw``; UnreadableInput naming ``where`` it was found if it is none."""
    try:
        numbers = {name: float(str(raw[name])) for name in _NUMBERS}
        numbers |= {name: float(str(raw.get(name, 0.0))) for name in ("tilt", "shift", "usual")}
        if not all(map(math.isfinite, numbers.values())) or not 0 < numbers["false_positive_rate"] < 1:
            raise ValueError("numbers out of range")
        return Calibration(n_real=int(str(raw["n_real"])), data=str(raw["data"]), **numbers)
    except (KeyError, ValueError) as error:
        raise UnreadableInput(f"{where} holds no calibration ({error}); run 'filigrane train calibrate'.") from error


_NUMBERS = ("slope", "offset", "threshold", "false_positive_rate", "true_positive_rate")


def upper_bound(hits: int, n: int, *, confidence: float = CONFIDENCE) -> float:
    """The one-sided upper Clopper-Pearson bound on a share of which ``hits`` of ``n`` were seen; MissingExtra.

    >>> round(upper_bound(0, 300), 4)
    0.0099
    """
    try:
        from scipy.stats import beta
    except ImportError as error:
        raise MissingExtra("Calibration", "evaluate") from error
    return 1.0 if hits >= n else float(beta.ppf(confidence, hits + 1, n - hits))


def threshold_for(real_scores: Floats, false_positive_rate: float) -> float:
    """The lowest of the scores (N,) of real pictures above which the bound on their share is kept.

    Raises UsageError where there are too few pictures to show a rate so low.
    """
    n = len(real_scores)
    if not 0 < false_positive_rate < 1:
        raise UsageError(f"The false-positive rate is {false_positive_rate}; give a share between 0 and 1.")
    if upper_bound(0, n) > false_positive_rate:
        needed = math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - false_positive_rate))
        raise UsageError(
            f"{n} real pictures can't show a false-positive rate of {false_positive_rate:g}; give at least {needed}."
        )
    hits = 0
    while upper_bound(hits + 1, n) <= false_positive_rate:
        hits += 1
    return float(np.sort(real_scores)[::-1][hits])


def fitted(sample: Sample, *, false_positive_rate: float, data: str) -> Calibration:
    """The calibration from ``sample``: its threshold keeps the bound under each delivery.

    Raises MissingExtra without scikit-learn, UsageError where a class is missing or too small.
    """
    labels = sample.labels
    if not {0, 1} <= set(labels.tolist()):
        raise UsageError("Calibration needs real and AI pictures; one class is missing.")
    tilt, shift, usual = _condition(sample)
    bare = Calibration(1.0, 0.0, 0.0, false_positive_rate, 0.0, 0, data, tilt, shift, usual)
    pairs = zip(sample.scores.tolist(), sample.details.tolist(), strict=True)
    scores = np.array([bare.standard(score, detail) for score, detail in pairs])
    weights = _balanced(sample, np.zeros(len(scores), np.int64))
    ((slope,), offset) = _regression(scores[:, None], labels, weights)
    real = [scores[(labels == 0) & (sample.deliveries == name)] for name in np.unique(sample.deliveries)]
    threshold = max(threshold_for(part, false_positive_rate) for part in real)
    return replace(
        bare,
        slope=slope,
        offset=offset,
        threshold=threshold,
        true_positive_rate=float(np.average(scores[labels == 1] > threshold, weights=weights[labels == 1])),
        n_real=min(map(len, real)),
    )


def _condition(sample: Sample) -> tuple[float, float, float]:
    """Tilt, shift and usual detail: how scores depend on the condition, classes weighing the same in each quarter."""
    usual = float(np.median(sample.details))
    over = np.clip(sample.details - usual, -_FARTHEST, _FARTHEST)
    if np.ptp(over) == 0:
        return 0.0, 0.0, usual
    quarter = np.searchsorted(np.quantile(over, (0.25, 0.5, 0.75)), over)
    columns = np.stack([sample.scores, over, sample.scores * over], axis=1)
    (slope, shift, tilt), _ = _regression(columns, sample.labels, _balanced(sample, quarter))
    if slope <= 0:
        return 0.0, 0.0, usual
    return min(max(tilt / slope, -_STEEPEST), _STEEPEST), shift / slope, usual


def _balanced(sample: Sample, part: NDArray[np.int64]) -> Floats:
    """The weights, made the same for both classes within each of the parts (N,) that have both."""
    weights = sample.weights.astype(np.float64)
    for number in np.unique(part):
        for label in (0, 1):
            mask = (part == number) & (sample.labels == label)
            if mask.any():
                weights[mask] *= np.mean(part == number) / weights[mask].sum()
    return weights


def _regression(columns: Floats, labels: NDArray[np.int8], weights: Floats) -> tuple[list[float], float]:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("Calibration", "evaluate") from error
    line = LogisticRegression(C=1e6).fit(columns, labels, sample_weight=weights / weights.mean())
    return [float(value) for value in line.coef_[0]], float(line.intercept_[0])


def moved(calibration: Calibration, real_scores: Floats, *, false_positive_rate: float, data: str) -> Calibration:
    """``calibration`` for a user's own real pictures: a new threshold, and the llr shifted along with it.

    One shift per kind of picture recovers most of what a change of camera or delivery costs; the share of AI pictures
    found is not known any more, so it is kept from before.
    """
    threshold = threshold_for(real_scores, false_positive_rate)
    return replace(
        calibration,
        offset=calibration.offset - calibration.slope * (threshold - calibration.threshold),
        threshold=threshold,
        false_positive_rate=false_positive_rate,
        n_real=len(real_scores),
        data=data,
    )


def read(path: Path) -> Calibration | None:
    """The calibration a user has written to ``path``; None where there is none, UnreadableInput where it is broken."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UnreadableInput(f"{path} can't be read ({error}); run 'filigrane train calibrate' again.") from error
    if not isinstance(raw, dict):
        raise UnreadableInput(f"{path} holds no calibration; run 'filigrane train calibrate' again.")
    return from_json(raw, str(path))


def write(calibration: Calibration, path: Path) -> None:
    """Write ``calibration`` to ``path``, from where `read` takes it."""
    write_atomically(path, (json.dumps(calibration.to_json(), indent=1) + "\n").encode())
