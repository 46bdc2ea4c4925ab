"""From one picture of any size to one score: crops at native resolution, judged one by one and averaged.

Nothing is resized, because resizing destroys what is looked for. The same crops, laid closer, give the heat map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filigrane.core.values import Pixels
from filigrane.detector.calibrate import Calibration
from filigrane.detector.condition import detail
from filigrane.detector.delivery import CROP_PX
from filigrane.detector.models import Attributing, Detector
from filigrane.detector.policy import Policy
from filigrane.perturb.base import recode

SMALLEST_PX = 64
"""Pictures with a shorter side are not judged: too little is left to look at."""
CROPS = 6
SECOND_PASS_QUALITY = 75


@dataclass(frozen=True, slots=True)
class Grid:
    """Crops of one size in rows and columns: ``lefts_px`` of the columns, ``tops_px`` of the rows."""

    lefts_px: tuple[int, ...]
    tops_px: tuple[int, ...]
    width_px: int
    height_px: int

    def crops(self, pixels: Pixels) -> Pixels:
        """The crops of ``pixels``, row by row: uint8 (N, height_px, width_px, 3)."""
        return np.stack(
            [
                pixels[top : top + self.height_px, left : left + self.width_px]
                for top in self.tops_px
                for left in self.lefts_px
            ]
        )


def grid(width_px: int, height_px: int, *, size_px: int, most: int = CROPS, overlap: float = 0.0) -> Grid:
    """At most ``most`` crops of ``size_px`` a side, spread evenly over a picture; smaller pictures are taken whole.

    ``overlap`` (0-1) is the least share of a side that neighbours have in common, as far as ``most`` allows.

    >>> grid(500, 100, size_px=200).lefts_px
    (0, 150, 300)
    """
    width, height = min(size_px, width_px), min(size_px, height_px)
    step = max(1, round(size_px * (1 - overlap)))
    columns, rows = (max(1, 1 + math.ceil((side - size_px) / step)) for side in (width_px, height_px))
    while columns * rows > most:
        columns, rows = (columns - 1, rows) if columns >= rows else (columns, rows - 1)
    return Grid(_spread(width_px - width, columns), _spread(height_px - height, rows), width, height)


def _spread(rest_px: int, count: int) -> tuple[int, ...]:
    return (rest_px // 2,) if count == 1 else tuple(round(rest_px * index / (count - 1)) for index in range(count))


def score(detector: Detector, calibration: Calibration, pixels: Pixels) -> float:
    """The score of a picture, uint8 (H, W, 3) of at least `SMALLEST_PX` a side: the mean over its crops.

    It is what ``calibration`` makes of it for a picture in the usual condition.
    """
    found = grid(pixels.shape[1], pixels.shape[0], size_px=detector.size_px)
    return calibration.standard(float(detector.llr(found.crops(pixels)).mean()), detail(pixels))


def family_odds(detector: Attributing, pixels: Pixels) -> NDArray[np.float64]:
    """Log-odds of each family of generators in each crop of a picture: float64 (N, families)."""
    return detector.family_odds(grid(pixels.shape[1], pixels.shape[0], size_px=CROP_PX).crops(pixels))


def second_score(detector: Detector, calibration: Calibration, pixels: Pixels) -> float:
    """The score of the same picture after one more JPEG round at quality 75, as any upload may bring."""
    return score(detector, calibration, recode(pixels, "JPEG", SECOND_PASS_QUALITY))


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a picture: ``llr`` nats, the ``scores`` it rests on, and whether all of them accuse."""

    llr: float
    scores: tuple[float, ...]
    accuses: bool


class Judge:
    """Reads a detector's scores through its calibration, and looks a second time where the first look is doubtful.

    It accuses only above the threshold, and only where one more JPEG round does not change its mind. Its silence weighs
    little: a generator that nobody trained on may leave other traces.
    """

    def __init__(self, detector: Detector, calibration: Calibration, policy: Policy) -> None:
        limits = policy.thresholds
        self.detector, self.calibration = detector, calibration
        self._accusing, self._doubtful, self._weak = limits["likely_ai"], limits["inconclusive"], limits["conflict"]

    def read(self, pixels: Pixels) -> Reading:
        """The reading of a picture, uint8 (H, W, 3) of at least `SMALLEST_PX` a side."""
        scores = [score(self.detector, self.calibration, pixels)]
        if self._nats(scores[0]) >= self._doubtful:
            scores.append(second_score(self.detector, self.calibration, pixels))
        llr = max(min(map(self._nats, scores)), -self._weak / 2)
        return Reading(llr, tuple(scores), all(map(self.calibration.accuses, scores)))

    def band(self, pixels: Pixels) -> int:
        """The label that this reading alone would bring: 2 accuses, 1 is inconclusive, 0 finds nothing."""
        llr = self.read(pixels).llr
        return int(llr >= self._accusing) + int(llr >= self._doubtful)

    def _nats(self, score_: float) -> float:
        """Nats of one score: what lies above the threshold accuses, what lies below it can not."""
        llr = self.calibration.llr(score_)
        if self.calibration.accuses(score_):
            return max(llr, self.calibration.llr_above)
        return min(llr, (self._accusing + self._doubtful) / 2)
