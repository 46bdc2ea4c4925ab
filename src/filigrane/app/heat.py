"""Where in a picture the classifier sees its signs, as numbers: the picture itself is neither kept nor sent back."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from PIL import Image

from filigrane.core.errors import FiligraneError, UsageError
from filigrane.core.files import write_atomically
from filigrane.core.image import decode
from filigrane.core.parallel import GuardedPool
from filigrane.core.settings import Settings
from filigrane.core.values import Json, Picture
from filigrane.core.weights import Card, find_card
from filigrane.detector import calibrate, explain, judge, models
from filigrane.detector.evidence.classifier import OWN_CALIBRATION, WEIGHTS

_AI, _NOT = (214, 51, 32), (33, 102, 172)
_FULL_NATS = 3.0
_MOST_ALPHA = 160
_SIDE_PX = 512


class HeatMaps:
    """Makes heat maps with the shipped detector, one at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()

    @cached_property
    def _card(self) -> Card:
        return find_card(WEIGHTS)

    @cached_property
    def _detector(self) -> models.Detector:
        return models.load(self._card)

    @cached_property
    def _calibration(self) -> calibrate.Calibration:
        own = calibrate.read(self._settings.home / OWN_CALIBRATION)
        return own if own is not None else calibrate.from_json(self._card.calibration, f"The card {self._card.name}")

    def draw(self, data: bytes) -> dict[str, Json] | None:
        """The map of the picture in ``data`` as rows of nats; None without a detector or enough pixels.

        Raises UnreadableInput and its kin where the picture can't be read.
        """
        looked = self.look(data)
        if looked is None:
            return None
        found = looked[1]
        return {"llr": [[round(float(nats), 2) for nats in row] for row in found.llr], "crop_px": found.crop_px}

    def look(self, data: bytes) -> tuple[Picture, explain.HeatMap] | None:
        """The picture in ``data`` and its map; None and errors as for `draw`."""
        with self._lock:
            try:
                detector, calibration = self._detector, self._calibration
            except FiligraneError:
                return None
            with GuardedPool(1, self._settings.memory_bytes, self._settings.timeout_s) as pool:
                picture = pool.run(partial(_decode, self._settings), data)
            if isinstance(picture, FiligraneError):
                raise picture
            if min(picture.width_px, picture.height_px) < max(judge.SMALLEST_PX, explain.CROP_PX):
                return None
            return picture, explain.heat_map(detector, picture.pixels, calibration)


def export(source: Path, target: Path, settings: Settings, *, force: bool = False) -> Path:
    """Write the map of the picture in ``source``: a page for a ``target`` that ends in .html, else a PNG laid over it.

    Raises UsageError where the target exists or there is no map, UnreadableInput and its kin for a broken picture.
    """
    if target.exists() and not force:
        raise UsageError(f"{target} exists; choose another name or use --force.")
    try:
        data = source.read_bytes()
    except OSError as error:
        raise UsageError(f"{source} can't be read ({error.strerror}); name a picture.") from error
    looked = HeatMaps(settings).look(data)
    if looked is None:
        raise UsageError(
            f"There is no map: it takes the detector and a picture of at least {explain.CROP_PX} px a side."
        )
    picture, found = looked
    page = target.suffix.lower() in (".html", ".htm")
    drawn = (
        explain.page(picture.pixels, found, source.name).encode() if page else explain.overlay(picture.pixels, found)
    )
    write_atomically(target, drawn)
    return target


def render(rows: Sequence[Sequence[float]], width_px: int, height_px: int) -> bytes:
    """A transparent PNG to lay over a picture of that size: red towards AI, blue away from it, fullest at 3 nats."""
    longest = max(width_px, height_px)
    size = (max(1, width_px * _SIDE_PX // longest), max(1, height_px * _SIDE_PX // longest))
    nats = np.asarray(Image.fromarray(np.asarray(rows, np.float32)).resize(size, Image.Resampling.BILINEAR))
    strength = np.clip(nats / _FULL_NATS, -1, 1)
    colour = np.where((strength > 0)[..., None], np.array(_AI), np.array(_NOT))
    planes = np.dstack([colour, np.abs(strength) * _MOST_ALPHA]).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(planes, "RGBA").save(out, "PNG")
    return out.getvalue()


def _decode(settings: Settings, data: bytes) -> Picture:
    return decode(data, limits=settings.limits)
