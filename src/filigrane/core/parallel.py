"""Worker processes that may crash, hang or run out of memory without taking the caller down.

Image decoders are large C programs fed with hostile bytes. Each worker is a fresh Python process with its own
memory and processor limits; one that hangs or dies is replaced, and its item gets an error as its result. A
standard process pool cannot do this: it breaks as a whole when one worker dies, and never ends one that hangs.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from filigrane.core.errors import DecodeTimeout, FiligraneError, LimitExceeded, UnreadableInput

T = TypeVar("T")
R = TypeVar("R")

_START_TIMEOUT_S = 60.0
_SPARE_CPU_S = 5
_BOOT = "import sys; from filigrane.core.parallel import serve; serve(*map(int, sys.argv[1:]))"
_NOTHING = object()
"""Stands for the absence of an item, because None may be one."""


class GuardedPool:
    """Worker processes that are limited, killed when stuck, and replaced.

    There are ``workers`` processes (at least one), each with ``memory_bytes`` of address space and ``timeout_s``
    seconds of wall time per item. ``initializer`` runs once in each process before the clock of its first item
    starts, which makes it the place for slow imports. Functions and items must be picklable, and functions
    importable by name. A pool serves one `map` at a time; closing it, or leaving its ``with`` block, kills the
    processes.
    """

    def __init__(
        self, workers: int, memory_bytes: int, timeout_s: float, initializer: Callable[[], None] | None = None
    ) -> None:
        self._memory_bytes = memory_bytes
        self._timeout_s = timeout_s
        self._initializer = initializer
        self._workers = [self._start() for _ in range(max(1, workers))]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill all worker processes."""
        while self._workers:
            self._workers.pop().stop()

    def run(self, function: Callable[[T], R], item: T) -> R | FiligraneError:
        """``function(item)`` in a worker: its result, or the error that came of it (see `map`)."""
        return next(result for _, result in self.map(function, [item]))

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R | FiligraneError]]:
        """Each item with ``function(item)``, or with the error that came of it, in the order in which they finish.

        Items are taken as workers become free, so the iterable may be endless. An item over the time limit gives
        DecodeTimeout, one over the memory limit LimitExceeded, one that crashes its worker UnreadableInput; any
        other exception gives a FiligraneError naming it. Raises FiligraneError where no worker can be started.
        Each worker holds one copy of ``function`` for the whole map, so what that has loaded stays loaded.
        """
        pickled, source = pickle.dumps(function), iter(items)
        finished: list[tuple[T, R | FiligraneError]] = []
        more = True
        try:
            while more or finished or any(worker.busy for worker in self._workers):
                for worker in self._workers:
                    if more and worker.idle:
                        item = next(source, _NOTHING)
                        more = item is not _NOTHING
                        if more:
                            worker.send(pickled, item, self._timeout_s)
                yield from finished
                finished = self._collect()
        finally:
            for worker in [worker for worker in self._workers if worker.busy]:
                self._replace(worker)

    def _collect(self) -> list[tuple[Any, Any]]:
        """Wait for workers to finish, die or run over time: their items and results."""
        active = [worker for worker in self._workers if not worker.idle]
        first_deadline = min((worker.deadline for worker in active), default=0.0)
        answered = wait([worker.pipe for worker in active], max(0.0, first_deadline - time.monotonic()))
        finished = []
        for worker in active:
            if worker.pipe in answered:
                item, result = worker.item, self._receive(worker)
            elif time.monotonic() >= worker.deadline:
                item, result = worker.item, self._bury(worker, overdue=True)
            else:
                continue
            if item is not _NOTHING:
                finished.append((item, result))
        return finished

    def _receive(self, worker: _Worker) -> Any:
        """The answer of a worker, or the error that its death amounts to."""
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            return self._bury(worker)
        if not worker.ready and answer is not None:
            self._replace(worker)
            raise answer
        worker.ready, worker.item = True, _NOTHING
        return answer

    def _bury(self, worker: _Worker, *, overdue: bool = False) -> FiligraneError:
        """Replace a worker that is dead or overdue: the error to report. Raises it where the worker never started."""
        code = self._replace(worker, grace_s=0.0 if overdue else 1.0)
        if not worker.ready:
            raise FiligraneError(
                f"A worker process could not start ({_ending(code)}); its limit of "
                f"{self._memory_bytes:,} bytes (setting memory_bytes) may be too low."
            )
        if overdue or code == -signal.SIGXCPU:
            return DecodeTimeout(f"The input took longer than the limit of {self._timeout_s:g} s (setting timeout_s).")
        if code == -signal.SIGKILL:
            return LimitExceeded("The worker process was killed from outside, most likely for want of memory.")
        return UnreadableInput(f"The input crashed the process that was reading it ({_ending(code)}).")

    def _replace(self, worker: _Worker, *, grace_s: float = 0.0) -> int:
        """Put a fresh worker in the place of ``worker``: the exit code of the old one."""
        code = worker.stop(grace_s)
        self._workers[self._workers.index(worker)] = self._start()
        return code

    def _start(self) -> _Worker:
        return _Worker(self._memory_bytes, self._timeout_s, self._initializer)


class _Worker:
    """One process, the pipe to it, the item it works on, and when its time is up."""

    def __init__(self, memory_bytes: int, timeout_s: float, initializer: Callable[[], None] | None) -> None:
        cpu_s = (math.ceil(timeout_s) + _SPARE_CPU_S) * len(os.sched_getaffinity(0))
        self.pipe, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, str(theirs.fileno()), str(memory_bytes), str(cpu_s)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=_environment(),
            )
        self.ready = False
        self.item: Any = _NOTHING
        self.deadline = time.monotonic() + _START_TIMEOUT_S
        self._send((pickle.dumps(_initialise), initializer))

    @property
    def busy(self) -> bool:
        """Whether the process works on an item."""
        return self.item is not _NOTHING

    @property
    def idle(self) -> bool:
        """Whether the process has started and waits for an item."""
        return self.ready and not self.busy

    def send(self, function: bytes, item: Any, timeout_s: float) -> None:
        """Hand over a pickled function and its item."""
        self._send((function, item))
        self.item = item
        self.deadline = time.monotonic() + timeout_s

    def _send(self, message: object) -> None:
        # A process that died meanwhile shows as the end of its pipe when its answer is read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(message)

    def stop(self, grace_s: float = 0.0) -> int:
        """End the process, after ``grace_s`` seconds for it to end by itself: its exit code."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace_s)
        self.process.kill()
        self.pipe.close()
        return self.process.wait()


def _environment() -> dict[str, str]:
    """The environment of a worker: our import path, and no thread pools that would eat its address space."""
    lean = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    # Without these, glibc gives the buffers of each picture back to the system and faults them in for the next one,
    # which takes longer than decoding does.
    lean |= {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20)}
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return {**lean, **os.environ, "PYTHONPATH": path}


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def serve(descriptor: int, memory_bytes: int, cpu_s: int) -> None:
    """The life of a worker process: answer what arrives on the pipe ``descriptor`` until its other end closes.

    The processor limit of ``cpu_s`` seconds per item ends a stuck worker even when its parent is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    pipe = Connection(descriptor)
    # Once the parent is gone its end of the pipe is closed, and so is our purpose.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            message = pipe.recv_bytes()
            spent_s = math.ceil(time.process_time())
            resource.setrlimit(resource.RLIMIT_CPU, (spent_s + cpu_s, resource.RLIM_INFINITY))
            pipe.send_bytes(_answer(message, memory_bytes))


def _answer(message: bytes, memory_bytes: int) -> bytes:
    """The pickled result of the pickled work, or the pickled error it comes to."""
    try:
        function, item = pickle.loads(message)
        return pickle.dumps(_unpickled(function)(item))
    except FiligraneError as error:
        return pickle.dumps(error)
    except MemoryError:
        limit = LimitExceeded(f"The input needs more than {memory_bytes:,} bytes of memory (setting memory_bytes).")
        return pickle.dumps(limit)
    except Exception as error:  # whatever it is, it belongs to this one item
        text = " ".join(str(error).split())
        return pickle.dumps(FiligraneError(f"An unexpected {type(error).__name__} was raised: {text}."))


@lru_cache(maxsize=1)
def _unpickled(function: bytes) -> Callable[[Any], Any]:
    """The function of the current `map`, kept from item to item with whatever it has loaded."""
    unpickled: Callable[[Any], Any] = pickle.loads(function)
    return unpickled


def _initialise(initializer: Callable[[], None] | None) -> None:
    if initializer is not None:
        initializer()
