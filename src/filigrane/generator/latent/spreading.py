"""How a number of 14 bits becomes signs over many dimensions, and is found again among 16,384 by one fast transform.

A symbol is a row of the Hadamard matrix of order 16,384, of which each dimension sees one column; a keyed sign hides
which. All 16,384 correlations come out of one Walsh-Hadamard transform (Fino and Algazi, 1976), so the best symbol is
found by maximum likelihood. Everything random comes from SHAKE-256 (FIPS 202) under the key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SYMBOL_BITS = 14
ORDER = 1 << SYMBOL_BITS

Index = NDArray[np.intp]
Signs = NDArray[np.int8]
Values = NDArray[np.float64]


def stream(key: bytes, purpose: str, count: int) -> bytes:
    """``count`` pseudo-random bytes under ``key``, independent of those for other purposes.

    >>> stream(b"k", "a", 4) == stream(b"k", "b", 4)
    False
    """
    text = purpose.encode()
    return hashlib.shake_256(len(key).to_bytes(2, "big") + key + text).digest(count)


def shuffled(items: Index, key: bytes, purpose: str) -> Index:
    """``items`` in an order that only ``key`` tells."""
    draws = np.frombuffer(stream(key, purpose, 8 * len(items)), "<u8")
    return items[np.argsort(draws, kind="stable")]


@dataclass(frozen=True, slots=True)
class Spread:
    """One symbol's place: the dimensions that carry it, the Hadamard column and the keyed sign (±1) of each."""

    dimensions: Index
    columns: Index
    signs: Signs

    @classmethod
    def over(cls, dimensions: Index, key: bytes, purpose: str) -> Spread:
        """Columns and signs for ``dimensions`` under ``key``."""
        draws = np.frombuffer(stream(key, purpose, 4 * len(dimensions)), "<u4")
        columns = (draws & (ORDER - 1)).astype(np.intp)
        return cls(dimensions, columns, ((draws >> SYMBOL_BITS & 1) * 2 - 1).astype(np.int8))

    def chips(self, symbol: int) -> Signs:
        """The signs (±1) that stand for ``symbol`` (0 … ORDER - 1), one for each dimension."""
        odd = np.bitwise_count(self.columns & symbol) & 1
        return np.where(odd, -self.signs, self.signs)

    def scores(self, values: Values) -> Values:
        """The correlation (ORDER,) of ``values``, all dimensions of the latent, with the signs of every symbol."""
        seen = values[self.dimensions] * self.signs
        return hadamard(np.bincount(self.columns, seen, minlength=ORDER).astype(np.float64))

    def energy(self, values: Values) -> float:
        """The sum of squares of ``values`` over the dimensions of this symbol."""
        return float(np.square(values[self.dimensions]).sum())


def hadamard(values: Values) -> Values:
    """The Walsh-Hadamard transform of ``values`` (a power of two of them), in natural order.

    >>> hadamard(np.array([1.0, 2.0, 3.0, 4.0])).tolist()
    [10.0, -2.0, -4.0, 0.0]
    """
    out, half = values, 1
    while half < len(values):
        pairs = out.reshape(-1, 2, half)
        out = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).reshape(-1)
        half *= 2
    return out
