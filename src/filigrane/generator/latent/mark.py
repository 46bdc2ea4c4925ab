"""The latent mark: a number of 28 bits in the starting noise, under a key, so that no two pictures share their signs.

After T2SMark (Yang et al., "T2SMark: Balancing Robustness and Diversity in Noise-as-Watermark for Diffusion Models",
NeurIPS 2025). A session of 14 bits stands in a quarter of the dimensions, under the key alone. Key and session together
say where and how the rest carries the other 14 bits. Only the tails of the normal distribution carry signs, the half
of all draws with |z| >= 0.674; the other half stays small and free. So every coordinate is drawn from N(0, 1) for
whoever does not have the key. Unlike in the paper, the quarter is spread over all channels, symbols are Hadamard rows
(`filigrane.generator.latent.spreading`), the session is the first half of the number, which is another for each
picture, and a reading comes with a proof:

For noise that never met the key, the signs of any one number are independent fair coins, whatever the noise is. By
Hoeffding's inequality (1963) a weighted sum of n such signs exceeds z times the root of its energy with probability of
at most exp(-z²/2). There are 2**28 numbers; by the union bound none of them does so with probability above
2**28 · exp(-z²/2), however the best one was searched for. That is the p-value of a reading. The fewer numbers there
are, the weaker a mark is found. 28 bits tell some thousands of pictures apart under one key: by the birthday bound two
of n share a number with a chance of 1 - exp(-n²/2**29), 0.4 at 16,000. `registered_id` says by which id of 60 bits a
registry knows a number; the mark in the pixels, of 60 bits, has no such limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from filigrane.core.errors import UsageError, WatermarkError
from filigrane.generator.latent.spreading import ORDER, SYMBOL_BITS, Spread, Values, shuffled, stream

NUMBER_BITS = 2 * SYMBOL_BITS
ALGORITHM = "io.filigrane.latent.1"
"""Name of the mark as a soft-binding algorithm."""
KEY_PURPOSE = "latent"
"""What a key for this mark is derived for from one of the mark in the pixels."""
LEAST_DIMENSIONS = 1024
"""Latents smaller than this can't carry a word that is told apart from chance."""
TAIL = 0.6744897501960817
"""The median of |z| for z from N(0, 1)."""
ACCEPT = 1e-6
"""The largest p-value with which a mark counts as found."""

_SESSION_SHARE = 4
_CANDIDATES = 16
_NUMBER_ERROR = 1e-3
_LARGEST = 3.0


@dataclass(frozen=True, slots=True)
class LatentReading:
    """What a latent says: whether it carries a mark, and which.

    ``p_value`` bounds the probability that noise without the mark reads at least this well. ``number`` is None where
    no mark was found, or one whose number is not certain; ``correlation`` (-1 to 1) is that of the noise with the best
    number; ``key`` is the position of the key that answered.
    """

    p_value: float
    number: int | None
    correlation: float
    key: int = 0

    @property
    def found(self) -> bool:
        """Whether there is a mark, with an error of at most one in a million."""
        return self.p_value <= ACCEPT

    def tried(self, times: int) -> LatentReading:
        """This reading as the best of so many: the p-value is raised, and a number goes with a mark not found."""
        p_value = min(1.0, self.p_value * times)
        return replace(self, p_value=p_value, number=self.number if p_value <= ACCEPT else None)


class LatentMark:
    """Writes and reads marks under one key (bytes, secret) in latents of ``size`` dimensions.

    Raises WatermarkError where the latent is too small.
    """

    def __init__(self, key: bytes, size: int) -> None:
        if problem := self.problem(size):
            raise WatermarkError(f"The latent mark can't be used: {problem}")
        self._key = key
        self._size = size
        order = shuffled(np.arange(size), key, "session")
        self._rest = order[size // _SESSION_SHARE :]
        self._session = Spread.over(order[: size // (2 * _SESSION_SHARE)], key, "session signs")

    @staticmethod
    def problem(size: int) -> str:
        """Why a latent of ``size`` numbers can't carry a mark, in one sentence; empty where it can."""
        return f"a latent of {size} numbers is under {LEAST_DIMENSIONS}." if size < LEAST_DIMENSIONS else ""

    def noise(self, number: int, rng: np.random.Generator) -> Values:
        """Starting noise (size,), from N(0, 1), that carries ``number`` (0 … 2**28 - 1), one of its own per picture."""
        if not 0 <= number < 1 << NUMBER_BITS:
            raise UsageError(f"The number {number} does not fit: give one from 0 to 2**{NUMBER_BITS} - 1.")
        session, symbol = divmod(number, ORDER)
        noise = np.where(rng.random(self._size) < 0.5, -1, 1) * _magnitudes(rng, self._size, tail=False)
        for spread, told in ((self._session, session), (self._place(session), symbol)):
            noise[spread.dimensions] = spread.chips(told) * _magnitudes(rng, len(spread.dimensions), tail=True)
        return noise

    def read(self, noise: Values) -> LatentReading:
        """What ``noise`` (size,), recovered from a picture, says under this key."""
        scale = math.sqrt(float(np.square(noise).mean()))
        if not math.isfinite(scale) or scale == 0:
            return LatentReading(1.0, None, 0.0)
        values = np.clip(noise / scale, -_LARGEST, _LARGEST)
        scores = self._session.scores(values)
        likely = np.argpartition(scores, -_CANDIDATES)[-_CANDIDATES:]
        return min(
            (self._under(int(session), float(scores[session]), values) for session in likely),
            key=lambda reading: (reading.p_value, -reading.correlation),
        )

    def _place(self, session: int) -> Spread:
        """Where and how the second half of the number stands in this session."""
        key = stream(self._key, f"session {session}", 32)
        return Spread.over(shuffled(self._rest, key, "order")[: len(self._rest) // 2], key, "signs")

    def _under(self, session: int, score: float, values: Values) -> LatentReading:
        """The best number of one session."""
        spread = self._place(session)
        scores = spread.scores(values)
        symbol, own = int(scores.argmax()), spread.energy(values)
        best = float(scores[symbol])
        total, energy = score + best, self._session.energy(values) + own
        p_value = _bound(total, energy, NUMBER_BITS)
        certain = p_value <= ACCEPT and _bound(best, own, SYMBOL_BITS) <= _NUMBER_ERROR
        size = len(self._session.dimensions) + len(spread.dimensions)
        correlation = total / math.sqrt(energy * size) if energy else 0.0
        return LatentReading(p_value, session * ORDER + symbol if certain else None, correlation)


def number_for(key: bytes, *made_from: object) -> int:
    """The number for the picture of all that it is ``made_from``, values whose ``repr`` tells them apart.

    The same values give the same number. Of 16,000 other pictures under one key, two share one with a chance of 0.4.

    >>> number_for(b"k", 1, "a cat") == number_for(b"k", 1, "a cat") != number_for(b"k", 2, "a cat")
    True
    """
    return int.from_bytes(stream(key, f"number {made_from!r}", 4), "big") >> 32 - NUMBER_BITS


def registered_id(key: bytes, number: int) -> int:
    """The id of 60 bits under which a registry knows the mark ``number`` of ``key``."""
    return int.from_bytes(stream(key, f"id {number}", 8), "big") >> 4


def read_any(keys: tuple[bytes, ...], noise: Values) -> LatentReading:
    """The best reading of ``noise`` under several ``keys``, its p-value raised for having tried them all."""
    readings = [replace(LatentMark(key, noise.size).read(noise), key=at) for at, key in enumerate(keys)]
    return min(readings, key=lambda reading: reading.p_value).tried(len(keys))


def _bound(score: float, energy: float, bits: int) -> float:
    """Bound on the probability that one of 2**bits words of fair signs reaches ``score`` at this ``energy``."""
    if score <= 0 or energy <= 0:
        return 1.0
    return min(1.0, math.exp(min(0.0, bits * math.log(2) - score * score / (2 * energy))))


def _magnitudes(rng: np.random.Generator, count: int, *, tail: bool) -> Values:
    """``count`` draws of |z|, z from N(0, 1), from the tail (the larger half) or from the centre."""
    kept = np.empty(0)
    while len(kept) < count:
        drawn = np.abs(rng.standard_normal(2 * count + 64))
        kept = np.concatenate([kept, drawn[(drawn >= TAIL) == tail]])
    return kept[:count]
