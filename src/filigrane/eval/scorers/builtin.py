"""Our own detector as it ships: the crops it looks at, its calibration, and the threshold that it accuses above."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from filigrane.core.errors import UnreadableInput
from filigrane.core.values import Pixels
from filigrane.core.weights import find_card
from filigrane.detector import calibrate, judge, models
from filigrane.detector.calibrate import Calibration
from filigrane.eval.metrics import Float
from filigrane.eval.scorers._shared import hash_of


class Builtin:
    """A ``detector`` of pixels, read through its ``calibration``; ``name`` is that of its weights."""

    scale = "llr"

    def __init__(self, name: str, detector: models.Detector, calibration: Calibration) -> None:
        self.name = name
        self.hash = hash_of("builtin", detector.name, detector.hash, repr(calibration.to_json()))
        self.threshold: float | None = calibration.llr(calibration.threshold)
        self._detector, self._calibration = detector, calibration

    def score(self, pictures: Sequence[Pixels]) -> Float:
        """Nats for each picture; raises UnreadableInput for one that is too small to be judged."""
        for picture in pictures:
            if min(picture.shape[:2]) < judge.SMALLEST_PX:
                size = f"{picture.shape[1]} x {picture.shape[0]}"
                raise UnreadableInput(f"The picture is {size} px; the detector needs {judge.SMALLEST_PX} px a side.")
        scores = (judge.score(self._detector, self._calibration, picture) for picture in pictures)
        return np.array([self._calibration.llr(score) for score in scores])


def build(target: str = "") -> Builtin:
    """The detector whose weights are called ``target``, by default the one that ships; raises NotFound."""
    card = find_card(target or "detector")
    return Builtin(f"filigrane {card.name}", models.load(card), calibrate.of_card(card))
