"""A line before work that is done one piece at a time: it has an end, and says when to come again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from filigrane.core.errors import FiligraneError


class Busy(FiligraneError):
    """More is waiting than will be answered in time; ``retry_after_s`` says when to come again."""

    http_status = 503

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too much is waiting to be worked on; try again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[type[Busy], tuple[int]]:
        return type(self), (self.retry_after_s,)


class Line:
    """Places for ``waiting`` callers beside the one who is served; each takes about ``seconds_each``."""

    def __init__(self, waiting: int, *, seconds_each: int) -> None:
        self._places = waiting + 1
        self._seconds_each = seconds_each
        self._taken = 0
        self._lock = threading.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the line, held inside the block; raises Busy where there is none."""
        with self._lock:
            if self._taken >= self._places:
                raise Busy(retry_after_s=max(1, self._seconds_each * self._taken))
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1
