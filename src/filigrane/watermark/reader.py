"""Reading the spread mark: stages of search, list decoding, and one budget of checks for the whole read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from filigrane.core.values import Pixels, Reading
from filigrane.watermark.carrier import CHIPS, Carrier
from filigrane.watermark.demodulate import Folder, narrow, wide
from filigrane.watermark.frame import Plane, frame_of
from filigrane.watermark.keys import Key
from filigrane.watermark.payload import MAX_CHECKS, WORD_BITS, Codec, false_accept_bound
from filigrane.watermark.polar import Bits, PolarCode
from filigrane.watermark.receiver import Receiver
from filigrane.watermark.search import Hit, Search

Suppression = Callable[[Plane], Plane]
"""Luma in the frame to what is left of it when the picture is taken out, same shape."""

MIN_READ_PX = 48
"""Shortest side of a picture that is searched at all."""
_PATHS = 64
_MOST_LONG = 40
"""Longest side of a picture that is searched, in units of the shorter one."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Everything that one key gives: its carrier, its checks, its name."""

    id: str
    carrier: Carrier
    codec: Codec


def secret_of(key: Key) -> Secret:
    """The carrier and the codec of ``key``."""
    return Secret(id=key.id, carrier=Carrier(key.secret), codec=Codec(key.secret))


@dataclass(frozen=True, slots=True)
class _Stage:
    """How many hits of a stage are decoded, and how many of the list's entries are checked for each."""

    name: str
    hits: int
    entries: int


_STAGES = (_Stage("nominal", 3, 16), _Stage("scaled", 4, 12), _Stage("turned", 5, 12))
"""Checks of a full read, the first stage after three kinds of suppression, the others after two, are under MAX_CHECKS:
3 * 48 + 2 * (48 + 60) = 360."""


class Reader:
    """Reads pictures under several secrets; errors in no picture, only says that nothing was found."""

    def __init__(self, secrets: Sequence[Secret], *, name: str, receiver: Receiver | None = None) -> None:
        """With the learned ``receiver`` beside the classical ones, or without."""
        self._secrets = secrets
        self._name = name
        self._receiver = receiver
        self.code = PolarCode(CHIPS, WORD_BITS, paths=_PATHS)

    @property
    def best(self) -> tuple[Suppression, ...]:
        """The two ways to take the picture out of its luma that hear most."""
        return (self._receiver or narrow, wide)

    def read(self, pixels: Pixels) -> Reading:
        """The identity in ``pixels`` (uint8, H x W x 3, any size), with the bound on the probability of a false one."""
        for checks, (hit, word) in enumerate(islice(self._candidates(pixels), MAX_CHECKS), start=1):
            secret = self._secrets[hit.key]
            identity = secret.codec.identity(word)
            if identity is not None:
                return Reading(identity, false_accept_bound(checks), key_id=secret.id, method=self._name)
        return Reading(payload=None, p_value=1.0, method=self._name)

    def _candidates(self, pixels: Pixels) -> Iterator[tuple[Hit, Bits]]:
        """Words that the picture may carry, the likelier ones first, found only as far as they are asked for."""
        short, long = sorted(pixels.shape[:2])
        if short < MIN_READ_PX or long > short * _MOST_LONG:
            return
        frame = frame_of(pixels)
        luma = frame.luma(pixels)
        carriers = [secret.carrier for secret in self._secrets]
        searches: dict[Suppression, Search] = {}
        for stage in _STAGES:
            quick = (narrow,) if stage is _STAGES[0] and self._receiver is not None else ()
            for suppress in (*quick, *self.best):
                if suppress not in searches:
                    searches[suppress] = Search(Folder(suppress(luma), frame), carriers)
                yield from self._decoded(searches[suppress], stage)

    def _decoded(self, search: Search, stage: _Stage) -> Iterator[tuple[Hit, Bits]]:
        """The list decoder's words at the best hits of ``stage``."""
        hits = search.hits(stage.name)[: stage.hits]
        soft = np.stack([self._secrets[hit.key].carrier.soft(search.chips(hit)) for hit in hits])
        words, _ = self.code.decode(soft)
        for hit, candidates in zip(hits, words, strict=True):
            for word in candidates[: stage.entries]:
                yield hit, word
