"""Rates: a token bucket for each caller, kept by the process. The count over a day is in the database."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_CALLERS = 100_000


class Buckets:
    """One bucket a caller: it holds a sixth of a minute's requests and refills evenly.

    Each server process counts for itself, so that ``n`` processes together let ``n`` times the rate pass.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, rate_per_minute: int) -> int:
        """Take one request: 0 where it may pass, otherwise the whole seconds to wait.

        >>> buckets = Buckets(lambda: 0.0)
        >>> [buckets.take("a", 12) for _ in range(3)]
        [0, 0, 5]
        """
        size, moment = max(1.0, rate_per_minute / 6), self._clock()
        level, seen = self._levels.pop(caller, (size, moment))
        level = min(size, level + (moment - seen) * rate_per_minute / 60)
        passes = level >= 1
        self._levels[caller] = (level - passes, moment)
        while len(self._levels) > _MOST_CALLERS:
            self._levels.popitem(last=False)
        return 0 if passes else max(1, math.ceil((1 - level) * 60 / rate_per_minute))
