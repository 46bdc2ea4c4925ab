"""Where in a picture the classifier sees its signs, as numbers: the picture itself is neither kept nor sent back."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from contextlib import closing
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from filigrane.app.serving.line import Line
from filigrane.core.errors import FiligraneError, UsageError
from filigrane.core.files import write_atomically
from filigrane.core.image import decode, read_file
from filigrane.core.parallel import GuardedPool
from filigrane.core.settings import Settings
from filigrane.core.text import encodable
from filigrane.core.values import Json, Picture
from filigrane.core.weights import Card, find_card
from filigrane.detector import calibrate, explain, judge, models
from filigrane.detector.evidence.classifier import WEIGHTS

_SIDE_PX = 512
_WAITING, _SECONDS_EACH = 4, 2


class HeatMaps:
    """Makes heat maps with the shipped detector, one at a time, with a short line before it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._line = Line(_WAITING, seconds_each=_SECONDS_EACH)

    def close(self) -> None:
        """End the worker, where there is one."""
        with self._lock:
            if "_pool" in self.__dict__:
                self._pool.close()

    @cached_property
    def _pool(self) -> GuardedPool:
        return GuardedPool(1, self._settings.memory_bytes, self._settings.timeout_s)

    @cached_property
    def _card(self) -> Card:
        return find_card(WEIGHTS)

    @cached_property
    def _detector(self) -> models.Detector:
        return models.load(self._card)

    @cached_property
    def _calibration(self) -> calibrate.Calibration:
        return calibrate.in_force(self._settings.home, self._card)

    def draw(self, data: bytes) -> dict[str, Json] | None:
        """The map of the picture in ``data`` as rows of nats; None where there can be none, whatever the reason."""
        try:
            _, found = self.look(data)
        except FiligraneError:
            return None
        return {"llr": [[round(float(nats), 2) for nats in row] for row in found.llr], "crop_px": found.crop_px}

    def look(self, data: bytes) -> tuple[Picture, explain.HeatMap]:
        """The picture in ``data`` and its map.

        Raises NotFound and its kin without a detector, UnreadableInput and its kin where the picture can't be read,
        UsageError where it is too small, Busy where too many wait.
        """
        with self._line.place(), self._lock:
            detector, calibration = self._detector, self._calibration
            picture = self._pool.run(partial(_decode, self._settings), data)
            if isinstance(picture, FiligraneError):
                raise picture
            smallest_px = max(judge.SMALLEST_PX, explain.CROP_PX)
            if min(picture.width_px, picture.height_px) < smallest_px:
                size = f"{picture.width_px} x {picture.height_px}"
                raise UsageError(f"There is no map of a picture of {size} px; it takes {smallest_px} px a side.")
            return picture, explain.heat_map(detector, picture.pixels, calibration)


def export(source: Path, target: Path, settings: Settings, *, force: bool = False) -> Path:
    """Write the map of the picture in ``source``: laid over it where ``target`` ends in .png, as a page where in .html.

    Raises UsageError where the target exists or ends otherwise, and what `HeatMaps.look` raises.
    """
    page = target.suffix.lower() in (".html", ".htm")
    if not page and target.suffix.lower() != ".png":
        raise UsageError(f"A map is a .png or a .html file; {target} ends otherwise.")
    if target.exists() and not force:
        raise UsageError(f"{target} exists; choose another name or use --force.")
    with closing(HeatMaps(settings)) as maps:
        picture, found = maps.look(read_file(source, settings.limits))
    name = encodable(source.name)
    drawn = explain.page(picture.pixels, found, name).encode() if page else explain.overlay(picture.pixels, found)
    write_atomically(target, drawn)
    return target


def render(rows: Sequence[Sequence[float]], width_px: int, height_px: int) -> bytes:
    """A transparent PNG, the `explain.layer` of the map in ``rows``, to lay over a picture of that size."""
    longest = max(width_px, height_px)
    size_px = (max(1, width_px * _SIDE_PX // longest), max(1, height_px * _SIDE_PX // longest))
    out = io.BytesIO()
    explain.layer(np.array(rows), size_px).save(out, "PNG")
    return out.getvalue()


def _decode(settings: Settings, data: bytes) -> Picture:
    return decode(data, limits=settings.limits)
