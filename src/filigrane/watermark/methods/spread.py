"""Our own mark: keyed spread spectrum in the luma of a normalised frame.

It needs no training and no download, is read blindly with nothing but the key, and says with a proof how unlikely it is
that an unmarked picture reads as a marked one (see `filigrane.watermark.payload`). Embedding is a closed loop: what
does not read back, straight away and after JPEG 75, is not called marked, and small pictures are marked so strongly
that they also survive a repost, as far as their quality allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from filigrane.core.errors import WatermarkError
from filigrane.core.values import Pixels, Reading
from filigrane.watermark.base import check_side, code_hash
from filigrane.watermark.echo import Echo, Heard, clearness
from filigrane.watermark.keys import KeyRing, ring
from filigrane.watermark.layer import Layer
from filigrane.watermark.payload import ID_BITS
from filigrane.watermark.polar import Bits
from filigrane.watermark.reader import Reader, secret_of
from filigrane.watermark.receiver import Receiver, installed

MIN_SIDE_PX = 192
"""Shortest side of a picture that a mark is embedded in."""
LEAST_PSNR_DB = 38.1
"""Below this no picture is changed, whatever that costs in robustness."""
_LEAST_RAISE_DB = 0.1


@dataclass(frozen=True, slots=True)
class _Goal:
    """How clearly a mark should be heard after an ordeal, and down to which PSNR the picture may pay for it.

    Clearness is the energy of the mark over the power of the noise, summed over all chips; the list decoder fails
    under about 170. Where the reader has to search for the grid, the sync pattern too must stand out, in standard
    deviations; that of a false grid reaches about 5.
    """

    hear: Callable[[Echo], Iterable[Heard]]
    clearness: float
    least_psnr_db: float = LEAST_PSNR_DB
    sync: float = 0.0

    def lacking_db(self, echo: Echo, code: Bits) -> float:
        """Decibels that the mark lacks under the suppression that hears it best; at most 10."""
        least_db = math.inf
        for heard in self.hear(echo):
            found, sync = clearness(heard.soft, code), max(heard.sync, 0.0)
            share = min(found / self.clearness, (sync / self.sync) ** 2 if self.sync else math.inf)
            least_db = min(least_db, -10 * math.log10(max(share, 0.1)))
            if least_db < _LEAST_RAISE_DB:
                break
        return least_db


@dataclass(frozen=True, slots=True)
class _Aim:
    """What is asked of marks in pictures of a size, the quickest to hear first, and in which steps they are raised."""

    goals: tuple[_Goal, ...]
    step_db: float

    def raise_db(self, echo: Echo, code: Bits, psnr_db: float) -> float:
        """By how much a mark at ``psnr_db`` should be raised for the first goal that asks for it; 0 where none does."""
        for goal in self.goals:
            most_db = psnr_db - goal.least_psnr_db
            lacking_db = goal.lacking_db(echo, code) if most_db >= _LEAST_RAISE_DB else 0.0
            if lacking_db >= _LEAST_RAISE_DB:
                return min(self.step_db * math.ceil(lacking_db / self.step_db), most_db)
        return 0.0


_LARGE = _Aim(
    (
        _Goal(Echo.middle, clearness=270.0, least_psnr_db=38.3),
        _Goal(Echo.compressed, clearness=300.0),
        _Goal(Echo.compressed, clearness=700.0, least_psnr_db=41.0),
    ),
    step_db=1.0,
)
_SMALL = _Aim(
    (
        _Goal(Echo.compressed, clearness=440.0),
        _Goal(Echo.halved, clearness=220.0, least_psnr_db=38.3, sync=5.7),
        _Goal(Echo.reposted, clearness=205.0, sync=6.3),
        _Goal(Echo.blurred, clearness=200.0, least_psnr_db=39.0),
    ),
    step_db=0.25,
)
_SMALL_PX = 200_000
"""Pictures of fewer pixels are tried harder, in finer steps: larger ones survive all that anyway."""


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
        aim = _SMALL if pixels.shape[0] * pixels.shape[1] < _SMALL_PX else _LARGE
        strength_db = min(self._strength_db, layer.psnr_db - LEAST_PSNR_DB)
        while True:
            marked = layer.added(strength_db)
            echo = Echo(marked, self._secret.carrier, self._reader.best[::-1])
            raise_db = aim.raise_db(echo, code, layer.psnr_db - strength_db)
            if not raise_db:
                self._prove(marked, echo, payload)
                return marked
            strength_db += raise_db

    def read(self, pixels: Pixels) -> Reading:
        """The identity in ``pixels`` of any size, or None, with a bound on the probability of a false one."""
        return self._reader.read(pixels)

    def _prove(self, marked: Pixels, echo: Echo, payload: int) -> None:
        """Raise WatermarkError where ``marked`` does not read back as it is and after JPEG 75."""
        words, _ = self._reader.code.decode(np.stack([echo.plain.soft, echo.after_jpeg.soft]))
        if all(self._secret.codec.identity(word) == payload for word in words[:, 0]):
            return
        grey = echo.jpeg.astype(np.uint8)[..., None].repeat(3, axis=2)
        if not all(self.read(pixels).payload == payload for pixels in (marked, grey)):
            raise WatermarkError(
                "No mark can be embedded in this picture so that it reads back: it has too little detail to hide one, "
                "or too much to find it; give a larger or less uniform picture."
            )


def build(keys: KeyRing | None = None, strength_db: float = 0.0, learned: bool = True) -> Spread:
    """The method under ``keys`` (the public key alone by default), starting at ``strength_db``.

    ``learned`` takes the learned receiver where its weights are installed.
    """
    receiver = installed() if learned else None
    return Spread(keys if keys is not None else ring(), strength_db=strength_db, receiver=receiver)
