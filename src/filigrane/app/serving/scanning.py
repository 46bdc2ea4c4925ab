"""Scanning for a server: guarded workers that stay, a bounded queue before them, models asked one batch at a time.

`filigrane.app.scan.scan_items` starts its workers for one run; a server keeps them. Each thread here owns one worker
process. A full queue says so at once (`Busy`), because an answer that comes after the caller has gone helps nobody.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

import numpy as np

from filigrane.app.inputs import Item
from filigrane.app.runtime import Runtime
from filigrane.app.scan import Examiner, Scanned, _complete, _failed
from filigrane.app.serving.line import Busy
from filigrane.core.errors import FiligraneError
from filigrane.core.image import encode
from filigrane.core.parallel import GuardedPool

_LOG = logging.getLogger("filigrane.service")
_LATEST = 0.1
"""Share of the latest picture in the running mean of how long a picture takes."""
_WARM_PX = 256
_Job = tuple[Item, "Future[Scanned]"]


class ScanService:
    """Scans pictures in worker processes that stay.

    At most ``waiting`` pictures stand in line, and only as many as will probably be looked at within
    ``longest_wait_s``, by the time that the latest ones took.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        waiting: int = 64,
        longest_wait_s: float = 10.0,
        saw: Callable[[Scanned], None] = lambda scanned: None,
    ) -> None:
        """``saw`` is told of every picture that was asked for and looked at."""
        self._runtime = runtime
        self._saw = saw
        self._limit = waiting
        self._longest_wait_s = longest_wait_s
        self._each_s = 0.0
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._lock = threading.Lock()
        self._host = threading.Lock()
        self._open = True
        self._pending = 0
        self._threads = [
            threading.Thread(target=self._serve, name=f"scan-{number}", daemon=True)
            for number in range(runtime.settings.worker_count)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def runtime(self) -> Runtime:
        """What it looks with."""
        return self._runtime

    @property
    def workers(self) -> int:
        """Worker processes."""
        return len(self._threads)

    @property
    def pending(self) -> int:
        """Pictures waiting or being looked at."""
        return self._pending

    @property
    def full(self) -> bool:
        """Whether `submit` would refuse."""
        line = self._pending - self.workers
        return not self._open or line >= self._limit or (line >= 0 and self._wait_s() > self._longest_wait_s)

    @property
    def busy(self) -> Busy | None:
        """What `submit` would raise: None where there is room."""
        return Busy(retry_after_s=max(1, min(60, round(self._wait_s() / 2)))) if self.full else None

    def _wait_s(self) -> float:
        """How long one more picture would probably wait."""
        return self._each_s * max(0, self._pending - self.workers + 1) / self.workers

    def submit(self, item: Item) -> Future[Scanned]:
        """What will become of ``item``: errors of the input are in the value, not raised. Raises Busy where full."""
        future = self._take(item)
        future.add_done_callback(self._tell)
        return future

    def _tell(self, future: Future[Scanned]) -> None:
        if not future.cancelled() and future.exception() is None:
            self._saw(future.result())

    def _take(self, item: Item) -> Future[Scanned]:
        future: Future[Scanned] = Future()
        with self._lock:
            if (busy := self.busy) is not None:
                raise busy
            self._pending += 1
        self._jobs.put((item, future))
        return future

    def warm(self) -> tuple[Future[Scanned], ...]:
        """Have every worker look at a drawn picture, so that models are loaded before anybody waits for them."""
        rng = np.random.default_rng(0)
        drawn = encode(rng.integers(0, 256, (_WARM_PX, _WARM_PX, 3), dtype=np.uint8), "png")
        futures = tuple(self._take(Item("warm.png", data=drawn)) for _ in self._threads)
        for future in futures:
            future.add_done_callback(_log_failure)
        return futures

    def close(self) -> None:
        """Finish what was taken on, then end the workers; nothing more is taken on."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        settings = self._runtime.settings
        examine = Examiner(settings, self._runtime.source_names)
        first = True
        with GuardedPool(1, settings.memory_bytes, settings.timeout_s) as pool:
            while (job := self._jobs.get()) is not None:
                (item, future), start = job, time.monotonic()
                try:
                    # A caller who has gone needs no answer.
                    if future.set_running_or_notify_cancel():
                        future.set_result(self._scan(pool, examine, item))
                except Exception as error:
                    future.set_exception(error)
                finally:
                    self._done(0.0 if first else time.monotonic() - start)
                    first = False

    def _done(self, spent_s: float) -> None:
        """Note how long a picture took; not that of a worker's first one, which loads models (0)."""
        with self._lock:
            self._pending -= 1
            if spent_s:
                self._each_s += (spent_s - self._each_s) * (_LATEST if self._each_s else 1.0)

    def _scan(self, pool: GuardedPool, examine: Examiner, item: Item) -> Scanned:
        outcome = pool.run(examine, item)
        if isinstance(outcome, FiligraneError):
            return _failed(item, outcome)
        with self._host:  # the models and their caches serve one picture at a time
            return _complete(outcome, self._runtime)


def _log_failure(future: Future[Scanned]) -> None:
    told = future.exception() or future.result().error
    if told:
        _LOG.error("the first picture of a worker could not be looked at: %s", told)
