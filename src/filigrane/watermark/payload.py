"""What the mark says: 4 bits of version, 60 bits of identity, and a keyed check of 32 bits over both.

Why no picture is read wrongly. A reader proposes candidates, words of 96 bits, and accepts the first whose last 32 bits
are the check of its first 64. The check is HMAC-SHA-256 (RFC 2104) cut to 32 bits, under a key that is derived apart
from everything that shapes the carrier; HMAC being a pseudo-random function, the check of a message that was never
embedded is uniform and independent of the candidate. So one candidate is accepted by accident with probability
2**-32, and a read that checks n candidates, over all keys, positions, mirrorings and list entries together, accepts
by accident with probability of at most n * 2**-32 (the union bound: nothing is assumed about how the candidates depend
on each other). The search stops at MAX_CHECKS = 400 candidates: 400 * 2**-32 = 9.4e-8, under one in ten million.
A reading states the bound for the n at which it stopped.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

import numpy as np
from numpy.typing import NDArray

from filigrane.watermark.base import check_payload

VERSION = 1
VERSION_BITS = 4
ID_BITS = 60
CHECK_BITS = 32
WORD_BITS = VERSION_BITS + ID_BITS + CHECK_BITS
MAX_CHECKS = 400
"""Candidates that one read may check, over all keys, positions and list entries."""

Bits = NDArray[np.uint8]


def new_id() -> int:
    """A fresh random identity of 60 bits, from the system's source of randomness."""
    return secrets.randbits(ID_BITS)


def false_accept_bound(checks: int) -> float:
    """Bound on the probability that ``checks`` candidates from an unmarked picture hold an accepted one.

    >>> false_accept_bound(400) < 1e-7
    True
    """
    return min(1.0, checks * 2.0**-CHECK_BITS)


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, independent of those for other purposes."""
    return hmac.digest(secret, b"filigrane watermark 1: " + purpose.encode(), hashlib.sha256)


class Codec:
    """Messages under one secret: identity to 96 bits with their check, and back."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive(secret, "check")

    def word(self, identity: int) -> Bits:
        """The 96 bits, uint8 (96,), that stand for ``identity`` (0 … 2**60 - 1)."""
        message = VERSION << ID_BITS | check_payload(identity, ID_BITS)
        return _bits(message << CHECK_BITS | self._check(message))

    def identity(self, word: Bits) -> int | None:
        """The identity that ``word`` (96,) stands for, or None where its check or its version is another."""
        value = int.from_bytes(np.packbits(word).tobytes(), "big")
        message, check = value >> CHECK_BITS, value & (1 << CHECK_BITS) - 1
        if check != self._check(message) or message >> ID_BITS != VERSION:
            return None
        return message & (1 << ID_BITS) - 1

    def _check(self, message: int) -> int:
        digest = hmac.digest(self._key, message.to_bytes(8, "big"), hashlib.sha256)
        return int.from_bytes(digest[: CHECK_BITS // 8], "big")


def _bits(value: int) -> Bits:
    return np.unpackbits(np.frombuffer(value.to_bytes(WORD_BITS // 8, "big"), np.uint8))
