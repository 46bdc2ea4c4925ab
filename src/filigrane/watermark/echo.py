"""What a reader would hear of a marked picture: how embedding listens to itself.

Everything happens in luma, where the mark is. The JPEG of a picture's luma alone has the luma of the JPEG of the
picture, and costs less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from filigrane.core.values import Pixels
from filigrane.watermark.carrier import Carrier
from filigrane.watermark.demodulate import Folder, Grid, narrow
from filigrane.watermark.frame import Frame, Plane, frame_of
from filigrane.watermark.polar import Bits, Soft
from filigrane.watermark.reader import Suppression

Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Heard:
    """What is heard of a mark: the soft values of its code word, and its sync pattern in standard deviations."""

    soft: Soft
    sync: float


class Echo:
    """What is heard of one marked picture after several ordeals, each found only when it is asked for."""

    def __init__(self, marked: Pixels, carrier: Carrier, suppressions: Sequence[Suppression]) -> None:
        """``suppressions`` are those that hear most, the quickest first."""
        self._frame = frame_of(marked)
        self._rest = narrow(self._frame.luma(marked))
        self._luma = np.asarray(cv2.cvtColor(marked, cv2.COLOR_RGB2GRAY), np.uint8)
        self._carrier = carrier
        self._suppressions = suppressions

    @cached_property
    def plain(self) -> Heard:
        """As it is."""
        return self._at(self._rest)

    @cached_property
    def jpeg(self) -> Plane:
        """Its luma after JPEG 75."""
        return _after_jpeg(self._luma, 75)

    @cached_property
    def after_jpeg(self) -> Heard:
        """After JPEG 75."""
        return self._at(narrow(self._frame.fit(self.jpeg)))

    def compressed(self) -> Iterator[Heard]:
        """After JPEG 75, at once."""
        yield self.after_jpeg

    def middle(self) -> Iterator[Heard]:
        """The middle half of each side alone."""
        rows, columns = (side // 4 for side in self._rest.shape)
        inner = np.zeros_like(self._rest)
        inner[rows:-rows, columns:-columns] = self._rest[rows:-rows, columns:-columns]
        yield self._at(inner)

    def halved(self) -> Iterator[Heard]:
        """Cropped to the middle half of each side, under one suppression after the other."""
        inner = self._inner(0.5)
        return self._cropped(inner.astype(np.float32), inner.size)

    def reposted(self) -> Iterator[Heard]:
        """Cropped to 90 %, at 0.7 times its size after JPEG 60, under one suppression after the other."""
        inner = self._inner(0.9)
        small = np.asarray(cv2.resize(inner, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA), np.uint8)
        return self._cropped(_after_jpeg(small, 60), inner.size)

    def _inner(self, share: float) -> Grey:
        rows, columns = (round((1 - share) / 2 * side) for side in self._luma.shape)
        return self._luma[rows:-rows, columns:-columns]

    def _cropped(self, luma: Plane, size: int) -> Iterator[Heard]:
        """Heard of ``luma``, for which ``size`` pixels of the picture were kept."""
        frame = Frame(luma.shape[1], luma.shape[0])
        scale = self._frame.cell_scale * math.sqrt(self._luma.size / size)
        fitted = frame.fit(luma)
        return (self._heard(suppress(fitted), frame, scale) for suppress in self._suppressions)

    def blurred(self) -> Iterator[Heard]:
        """Blurred by two of its pixels, under one suppression after the other."""
        luma = self._frame.fit(np.asarray(cv2.GaussianBlur(self._luma.astype(np.float32), (0, 0), 2.0), np.float32))
        return (self._at(suppress(luma)) for suppress in self._suppressions)

    def _at(self, rest: Plane) -> Heard:
        return self._heard(rest, self._frame, self._frame.cell_scale)

    def _heard(self, rest: Plane, frame: Frame, scale: float) -> Heard:
        tile = Folder(rest, frame).chips(Grid(scale=scale))
        sync = float(np.vdot(self._carrier.sync, tile)) / (float(np.linalg.norm(tile)) + 1e-12)
        return Heard(self._carrier.soft(tile), sync)


def _after_jpeg(luma: Grey, quality: int) -> Plane:
    _, data = cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.float32)


def clearness(soft: Soft, code: Bits) -> float:
    """Energy of the mark over the power of the noise, summed over all chips of ``code``, as found in ``soft``."""
    values = soft * (1 - 2 * code.astype(np.float32))
    mean = float(values.mean())
    return len(values) * mean * abs(mean) / float(values.var() + 1e-12)
