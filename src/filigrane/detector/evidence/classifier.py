"""Evidence from the pixels: what a trained detector makes of the finest detail of a picture.

It accuses only above a threshold whose rate of false accusations is known, and only where one more JPEG round does not
change its mind. Its silence weighs little: a generator that nobody trained on may leave other traces. Where it accuses,
it adds a guess at the family of generators and, by a second and simpler model, which kinds of traces speak; neither
moves the verdict.
"""

from __future__ import annotations

from functools import cached_property

from filigrane.core.errors import FiligraneError, NotFound
from filigrane.core.values import Evidence, Finding, Json, Picture, Pixels
from filigrane.core.weights import Card, find_card
from filigrane.detector import attribution, calibrate, judge, models
from filigrane.detector.base import Context
from filigrane.detector.calibrate import Calibration
from filigrane.detector.delivery import windowed
from filigrane.detector.judge import Judge, Reading

WEIGHTS = "detector"
EXPLAINING = "detector-spectral"
"""The weights that can say which kind of trace speaks."""
_LOUD_NATS = 0.1


class ClassifierEvidence:
    """Asks the shipped detector, with the user's own calibration where there is one."""

    name = "classifier"
    guarded = False

    def __init__(self, context: Context) -> None:
        self._home, self._policy = context.home, context.policy

    @cached_property
    def _card(self) -> Card:
        return find_card(WEIGHTS)

    @cached_property
    def _judge(self) -> Judge:
        return Judge(models.load(self._card), calibrate.in_force(self._home, self._card), self._policy)

    @cached_property
    def _explaining(self) -> models.Detector | None:
        try:
            return models.load(find_card(EXPLAINING))
        except FiligraneError:
            return None

    def examine(self, picture: Picture) -> Evidence:
        """Present above the threshold, absent below it; unavailable without weights, libraries or enough pixels."""
        if min(picture.width_px, picture.height_px) < judge.SMALLEST_PX:
            return self._silent(f"The picture is smaller than the {judge.SMALLEST_PX} px that the detector needs.")
        try:
            reading = self._judge.read(picture.pixels)
            more = {**self._family(picture.pixels), **self._traces(picture.pixels)} if reading.accuses else {}
        except NotFound:
            return self._silent("There are no weights of the classifier here; filigrane doctor says what there is.")
        except FiligraneError as error:
            return self._silent(str(error))
        return self._evidence(reading, more)

    def _silent(self, why: str) -> Evidence:
        return Evidence(self.name, Finding.UNAVAILABLE, 0.0, why)

    def _family(self, pixels: Pixels) -> dict[str, Json]:
        """Which family of generators it looks like, where the detector tells them apart."""
        detector = self._judge.detector
        if not isinstance(detector, models.Attributing) or not detector.families:
            return {}
        name, probability = attribution.named(judge.family_odds(detector, pixels), self._card)
        return {"family": name, "family_probability": round(probability, 3)}

    def _traces(self, pixels: Pixels) -> dict[str, Json]:
        """Which kinds of traces speak in the middle of the picture, strongest first, by the second model."""
        if not isinstance(self._explaining, models.Explaining):
            return {}
        traces = self._explaining.traces(windowed(pixels, self._explaining.size_px))
        return {
            "traces": [name for name in sorted(traces, key=lambda name: -traces[name]) if traces[name] > _LOUD_NATS]
        }

    def _evidence(self, reading: Reading, more: dict[str, Json]) -> Evidence:
        calibration = self._judge.calibration
        after = "same" if reading.accuses else "less sure"
        details: dict[str, Json] = {
            "scores": [round(score, 4) for score in reading.scores],
            "threshold": round(calibration.threshold, 4),
            "after_jpeg_75": "not asked" if len(reading.scores) == 1 else after,
            "model": self._judge.detector.hash,
            "calibrated_on": calibration.data,
            **more,
        }
        return Evidence(
            source=self.name,
            finding=Finding.PRESENT if reading.accuses else Finding.ABSENT,
            llr=reading.llr if reading.accuses or self._doubtful(reading) else min(reading.llr, 0.0),
            summary=self._summary(reading, calibration),
            details=details,
            false_positive_rate=calibration.false_positive_rate,
        )

    def _doubtful(self, reading: Reading) -> bool:
        """Whether a score under the threshold is high enough to be told; a lower one speaks for nothing."""
        return reading.llr >= self._policy.thresholds["inconclusive"]

    def _summary(self, reading: Reading, calibration: Calibration) -> str:
        rate = f"{calibration.false_positive_rate:.1%}"
        if reading.accuses:
            return f"The fine detail looks machine-made, as it does in at most {rate} of the real pictures measured."
        if self._doubtful(reading):
            return f"The fine detail looks somewhat machine-made, as it does in more than {rate} of real pictures."
        return "The fine detail shows no sign of a generator that the detector knows; that says little of others."


def build(*, context: Context) -> ClassifierEvidence:
    """The source."""
    return ClassifierEvidence(context)
