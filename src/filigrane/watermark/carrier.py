"""The keyed carrier: a tile of 32 x 32 chips that holds the code word and a sync pattern on top of each other.

Every chip carries one bit of the code word with most of its power and one chip of a known pattern with the rest. The
pattern costs little, spreads over the whole spectrum, and is what the search finds the grid by. Signs and places come
from SHAKE-256 (FIPS 202), so they are the same on every machine and with every version of numpy.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from filigrane.watermark.payload import derive
from filigrane.watermark.polar import Bits, Soft

SIDE = 32
"""Chips along each side of a tile."""
CHIPS = SIDE * SIDE
SYNC_SHARE = 0.2
"""Share of the power that goes into the sync pattern."""


class Carrier:
    """Signs and places of the chips under one secret.

    ``sync`` is the known pattern, float32 (32, 32) of -1 and 1.
    """

    def __init__(self, secret: bytes) -> None:
        seed = derive(secret, "carrier")
        stream = np.frombuffer(hashlib.shake_256(seed).digest(CHIPS * 8 + CHIPS // 4), np.uint8)
        signs = 1 - 2 * np.unpackbits(stream[: CHIPS // 4]).astype(np.float32)
        self.sync: Soft = signs[:CHIPS].reshape(SIDE, SIDE)
        self._signs = signs[CHIPS:]
        self._places = np.argsort(stream[CHIPS // 4 :].view(np.uint64), kind="stable")

    def tile(self, code: Bits) -> Soft:
        """The tile, float32 (32, 32) of mean power 1, that carries the code word ``code`` (1024,)."""
        data = np.empty(CHIPS, np.float32)
        data[self._places] = (1 - 2 * code.astype(np.float32)) * self._signs
        tile = math.sqrt(1 - SYNC_SHARE) * data.reshape(SIDE, SIDE) + math.sqrt(SYNC_SHARE) * self.sync
        return np.asarray(tile, np.float32)

    def soft(self, tile: Soft) -> Soft:
        """Soft values (1024,) of the code word in a received tile; positive speaks for bit 0."""
        data = tile - self.sync * np.mean(tile * self.sync, dtype=np.float32)
        return np.asarray(data.ravel()[self._places] * self._signs, np.float32)


def pattern(tile: Soft, width: int, height: int) -> NDArray[np.float32]:
    """The tile repeated over ``height`` x ``width`` cells so that a corner between four tiles lies in the middle."""
    columns = (np.arange(width) - width // 2) % SIDE
    rows = (np.arange(height) - height // 2) % SIDE
    return tile[np.ix_(rows, columns)]
