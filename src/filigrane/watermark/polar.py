"""A polar code with list decoding: the error correction under every message of ours.

Why polar: at 96 bits in 1024 chips a list decoder with an outer check comes close to the best any code of this length
can do, it needs no termination, and it is a dozen array operations per node of a small tree, so numpy is fast enough.
Several received words are decoded at once (the batch axis), as the search tries several positions of the grid.

Sources: Arikan, "Channel polarization" (2009); Tal and Vardy, "List decoding of polar codes" (2015); the order of
reliability is the beta-expansion of He et al. (2017); rate-0 and repetition nodes as in Hashemi et al. (2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]
Soft = NDArray[np.float32]
Index = NDArray[np.intp]


def reliability(length: int) -> NDArray[np.float64]:
    """Polarisation weight of each of ``length`` (a power of two) inputs: the larger, the more reliable.

    >>> reliability(4).argsort().tolist()
    [0, 1, 2, 3]
    """
    index = np.arange(length)
    weights = np.zeros(length)
    for bit in range(length.bit_length() - 1):
        weights += ((index >> bit) & 1) * 2.0 ** (bit / 4)
    return weights


def transform(bits: Bits) -> Bits:
    """The polar transform over the last axis, its own inverse; length a power of two.

    >>> transform(np.array([0, 0, 0, 1], np.uint8)).tolist()
    [1, 1, 1, 1]
    """
    out = bits.copy()
    half = 1
    while half < out.shape[-1]:
        pairs = out.reshape(*out.shape[:-1], -1, 2, half)
        pairs[..., 0, :] ^= pairs[..., 1, :]
        half *= 2
    return out


@dataclass(frozen=True, slots=True)
class _Paths:
    """The surviving paths of one node: code bits (B, P, n), cost (B, P), and which path each one came from (B, P)."""

    bits: Bits
    cost: Soft
    parent: Index


class PolarCode:
    """A polar code of ``length`` chips (a power of two) carrying ``size`` bits, decoded with up to ``paths`` paths."""

    def __init__(self, length: int, size: int, *, paths: int = 32) -> None:
        order = np.argsort(reliability(length), kind="stable")
        self.length = length
        self.paths = paths
        self._data = np.sort(order[-size:])
        self._free = np.zeros(length, bool)
        self._free[self._data] = True

    def encode(self, bits: Bits) -> Bits:
        """Code word (length,) of the message ``bits`` (size,)."""
        word = np.zeros(self.length, np.uint8)
        word[self._data] = bits
        return transform(word)

    def decode(self, soft: Soft) -> tuple[Bits, Soft]:
        """Candidates for each word of ``soft`` (B, length), best first; a positive value speaks for bit 0.

        Returns the messages, uint8 (B, P, size), and their costs (B, P): the sum of the soft values that the
        candidate contradicts, up to the approximation of min-sum decoding. The scale of ``soft`` does not matter.
        """
        start = np.zeros((soft.shape[0], 1), np.float32)
        found = self._node(0, soft[:, None, :].astype(np.float32), start)
        order = np.argsort(found.cost, axis=1, kind="stable")
        words = np.take_along_axis(found.bits, order[..., None], axis=1)
        return transform(words)[..., self._data], np.take_along_axis(found.cost, order, axis=1)

    def _node(self, first: int, soft: Soft, cost: Soft) -> _Paths:
        """Decode the inputs first … first + n of the tree from their soft values (B, P, n)."""
        size = soft.shape[-1]
        free = self._free[first : first + size]
        if not free.any():
            return _frozen(soft, cost)
        if free[-1] and not free[:-1].any():
            return self._repeated(soft, cost)
        half = size // 2
        low, high = soft[..., :half], soft[..., half:]
        left = self._node(first, _check(low, high), cost)
        low, high = _follow(low, left.parent), _follow(high, left.parent)
        right = self._node(first + half, np.where(left.bits, high - low, high + low), left.cost)
        upper = _follow(left.bits, right.parent) ^ right.bits
        parent = np.take_along_axis(left.parent, right.parent, axis=1)
        return _Paths(np.concatenate([upper, right.bits], axis=-1), right.cost, parent)

    def _repeated(self, soft: Soft, cost: Soft) -> _Paths:
        """One free input under frozen ones: every path forks into all zeros and all ones, and the best survive."""
        batch, count, size = soft.shape
        against = np.maximum(-soft, 0).sum(-1)
        costs = np.concatenate([cost + against, cost + against + soft.sum(-1)], axis=1)
        keep = min(self.paths, 2 * count)
        best = np.argpartition(costs, keep - 1, axis=1)[:, :keep] if keep < 2 * count else _everything(batch, keep)
        bits = np.broadcast_to((best >= count).astype(np.uint8)[..., None], (batch, keep, size))
        return _Paths(bits, np.take_along_axis(costs, best, axis=1), best % count)


def _check(low: Soft, high: Soft) -> Soft:
    """Soft value of the sum of two bits, by the min-sum rule."""
    smaller = np.minimum(np.abs(low), np.abs(high))
    return np.asarray(np.copysign(smaller, low * high), np.float32)


def _follow(values: NDArray[np.generic], parent: Index) -> NDArray:  # type: ignore[type-arg]
    """The rows of ``values`` (B, P, n) that the surviving paths descend from."""
    if values.shape[0] == 1:
        return values[:, parent[0]]
    return np.take_along_axis(values, parent[..., None], axis=1)


def _everything(batch: int, count: int) -> Index:
    return np.broadcast_to(np.arange(count), (batch, count))


def _frozen(soft: Soft, cost: Soft) -> _Paths:
    """All inputs frozen to zero: nothing to choose, only the cost to pay."""
    batch, count, _ = soft.shape
    paid = cost + np.maximum(-soft, 0).sum(-1)
    return _Paths(np.zeros(soft.shape, np.uint8), paid, _everything(batch, count))
