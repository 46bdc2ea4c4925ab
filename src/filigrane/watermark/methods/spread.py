"""Our own mark: keyed spread spectrum in the luma of a normalised frame.

It needs no training and no download, is read blindly with nothing but the key, and says with a proof how unlikely it is
that an unmarked picture reads as a marked one (see `filigrane.watermark.payload`). Embedding is a closed loop: what
does not read back, straight away and after JPEG 75, is not called marked, and small pictures are marked so strongly
that they also survive a repost, as far as their quality allows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from filigrane.core.errors import WatermarkError
from filigrane.core.values import Pixels, Reading
from filigrane.watermark.base import check_side, code_hash
from filigrane.watermark.demodulate import Folder, Grid, narrow
from filigrane.watermark.frame import Frame, Plane, frame_of
from filigrane.watermark.keys import KeyRing, ring
from filigrane.watermark.layer import Layer
from filigrane.watermark.payload import ID_BITS
from filigrane.watermark.polar import Bits, Soft
from filigrane.watermark.reader import Reader, secret_of
from filigrane.watermark.receiver import Receiver, installed

MIN_SIDE_PX = 192
"""Shortest side of a picture that a mark is embedded in."""
LEAST_PSNR_DB = 38.1
"""Below this no picture is changed, whatever that costs in robustness."""


@dataclass(frozen=True, slots=True)
class _Goal:
    """How clear a mark should be, and down to which PSNR the picture may pay for it.

    Clearness is the energy of the mark over the power of the noise, summed over all chips; the list decoder fails
    under about 170.
    """

    clearness: float
    least_psnr_db: float


_AFTER_JPEG_MUST = _Goal(clearness=300.0, least_psnr_db=LEAST_PSNR_DB)
_AFTER_JPEG = _Goal(clearness=700.0, least_psnr_db=41.0)
_MIDDLE = _Goal(clearness=270.0, least_psnr_db=38.3)
"""The middle quarter alone, so that a crop to it reads back."""
_REPOSTED = _Goal(clearness=260.0, least_psnr_db=LEAST_PSNR_DB)
_BLURRED = _Goal(clearness=200.0, least_psnr_db=39.0)
_SMALL_PX = 200_000
"""Pictures of fewer pixels are also tried reposted and blurred; larger ones survive that anyway."""
_LEAST_RAISE_DB = 0.1


@dataclass(frozen=True, slots=True)
class _Echo:
    """Soft values of a marked picture, as it is and after JPEG 75, and how clear it is under each goal."""

    plain: Soft
    after_jpeg: Soft
    clearness: tuple[tuple[_Goal, float], ...]

    def lacking_db(self, psnr_db: float) -> float:
        """By how many decibels a mark at ``psnr_db`` should be raised; 0 or less where it need not or may not be."""
        return max(_towards_db(goal, found, psnr_db) for goal, found in self.clearness)


class Spread:
    """The mark under the keys of a ring: embeds with the ring's newest key, reads with all.

    ``strength_db`` is what embedding starts from, relative to what the mask calls hidden; ``receiver`` is the learned
    one, used beside the classical ones.
    """

    name = "spread"
    payload_bits = ID_BITS
    can_embed = True
    variants: tuple[str, ...] = ()

    def __init__(self, keys: KeyRing, *, strength_db: float = 0.0, receiver: Receiver | None = None) -> None:
        secrets = [secret_of(key) for key in keys.keys]
        self._secret = secrets[0]
        self._reader = Reader(secrets, name=self.name, receiver=receiver)
        self._strength_db = strength_db
        self._made_of = (*(secret.id for secret in secrets), str(strength_db), receiver.hash if receiver else "")

    @property
    def hash(self) -> str:
        """Of the code, the names of the keys, the strength, and the weights of the receiver."""
        return code_hash(*self._made_of)

    def embed(self, pixels: Pixels, payload: int) -> Pixels:
        """The marked picture, same shape, with the 60-bit ``payload``.

        Raises WatermarkError where the picture is under 192 pixels on a side, or so flat or so busy that the mark would
        not read back at a PSNR of 38 dB.
        """
        code = self._reader.code.encode(self._secret.codec.word(payload))
        layer = Layer(check_side(pixels, MIN_SIDE_PX), self._secret.carrier.tile(code))
        strength_db = min(self._strength_db, layer.psnr_db - LEAST_PSNR_DB)
        while True:
            marked = layer.added(strength_db)
            echo = self._echo(marked, code)
            raise_db = echo.lacking_db(layer.psnr_db - strength_db)
            if raise_db < _LEAST_RAISE_DB:
                self._prove(marked, echo, payload)
                return marked
            strength_db += raise_db

    def read(self, pixels: Pixels) -> Reading:
        """The identity in ``pixels`` of any size, or None, with a bound on the probability of a false one."""
        return self._reader.read(pixels)

    def _echo(self, marked: Pixels, code: Bits) -> _Echo:
        """What the reader would hear of ``marked``."""
        frame = frame_of(marked)
        rest = narrow(frame.luma(marked))
        after_jpeg = self._soft(narrow(frame.fit(_luma_after_jpeg(marked, 75))), frame)
        clear = clearness(after_jpeg, code)
        found = [(_AFTER_JPEG_MUST, clear), (_AFTER_JPEG, clear)]
        found.append((_MIDDLE, clearness(self._soft(_middle(rest), frame), code)))
        if frame.width_px * frame.height_px < _SMALL_PX:
            found += [(_REPOSTED, self._clearest(_reposted(marked), frame, code))]
            found += [(_BLURRED, self._clearest(_blurred(marked), frame, code))]
        return _Echo(self._soft(rest, frame), after_jpeg, tuple(found))

    def _clearest(self, luma: Plane, frame: Frame, code: Bits) -> float:
        """Clearness of a picture's luma under the best kinds of suppression."""
        fitted = frame.fit(luma)
        return max(clearness(self._soft(suppress(fitted), frame), code) for suppress in self._reader.best)

    def _soft(self, rest: Plane, frame: Frame) -> Soft:
        chips = Folder(rest, frame).chips(Grid(scale=frame.cell_scale))
        return self._secret.carrier.soft(chips)

    def _prove(self, marked: Pixels, echo: _Echo, payload: int) -> None:
        """Raise WatermarkError where ``marked`` does not read back as it is and after JPEG 75."""
        words, _ = self._reader.code.decode(np.stack([echo.plain, echo.after_jpeg]))
        if all(self._secret.codec.identity(word) == payload for word in words[:, 0]):
            return
        after_jpeg = _luma_after_jpeg(marked, 75).astype(np.uint8)[..., None].repeat(3, axis=2)
        if not all(self.read(pixels).payload == payload for pixels in (marked, after_jpeg)):
            raise WatermarkError(
                "No mark can be embedded in this picture so that it reads back: it has too little detail to hide one, "
                "or too much to find it; give a larger or less uniform picture."
            )


def _towards_db(goal: _Goal, found: float, psnr_db: float) -> float:
    """Whole decibels from clearness ``found`` to ``goal``, as far as its least PSNR allows."""
    lacking_db = math.ceil(10 * math.log10(goal.clearness / max(found, goal.clearness / 10)))
    return min(lacking_db, psnr_db - goal.least_psnr_db)


def clearness(soft: Soft, code: Bits) -> float:
    """Energy of the mark over the power of the noise, summed over all chips of ``code``, as found in ``soft``."""
    values = soft * (1 - 2 * code.astype(np.float32))
    mean = float(values.mean())
    return len(values) * mean * abs(mean) / float(values.var() + 1e-12)


def _middle(rest: Plane) -> Plane:
    """The rest with all but the middle half of each side set to zero."""
    rows, columns = (side // 4 for side in rest.shape)
    inner = np.zeros_like(rest)
    inner[rows:-rows, columns:-columns] = rest[rows:-rows, columns:-columns]
    return inner


def _luma_after_jpeg(pixels: Pixels, quality: int) -> Plane:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.float32)


def _reposted(pixels: Pixels) -> Plane:
    """Luma of the picture at 0.7 times its size after JPEG 60."""
    small = cv2.resize(pixels, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    return _luma_after_jpeg(np.asarray(small, np.uint8), 60)


def _blurred(pixels: Pixels) -> Plane:
    """Luma of the picture, blurred by two of its pixels."""
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(luma, (0, 0), 2.0), np.float32)


def build(keys: KeyRing | None = None, strength_db: float = 0.0, learned: bool = True) -> Spread:
    """The method under ``keys`` (the public key alone by default), starting at ``strength_db``.

    ``learned`` takes the learned receiver where its weights are installed.
    """
    receiver = installed() if learned else None
    return Spread(keys if keys is not None else ring(), strength_db=strength_db, receiver=receiver)
