"""Workers that misbehave cost their own item and nothing else."""

from __future__ import annotations

import ctypes
import math
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from filigrane.core.errors import DecodeTimeout, FiligraneError, LimitExceeded, UnreadableInput, UnsupportedFormat
from filigrane.core.image import sniff
from filigrane.core.parallel import GuardedPool

MEMORY = 2**30
PID = "__import__('os').getpid()"


@pytest.fixture
def pool() -> Iterator[GuardedPool]:
    with GuardedPool(2, MEMORY, 0.5) as pool:
        yield pool


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_every_item_comes_back_once_with_its_result(pool: GuardedPool) -> None:
    assert sorted(pool.map(math.sqrt, range(200))) == [(item, math.sqrt(item)) for item in range(200)]
    assert list(pool.map(math.sqrt, [])) == []


def test_none_is_an_item_and_a_result(pool: GuardedPool) -> None:
    assert list(pool.map(print, [None, None])) == [(None, None), (None, None)]


def test_a_function_keeps_its_state_from_item_to_item() -> None:
    with GuardedPool(1, MEMORY, 5) as pool:
        rolls = [result for _, result in pool.map(random.Random(7).randrange, [10**6] * 3)]
    dice = random.Random(7)
    assert rolls == [dice.randrange(10**6) for _ in range(3)]


def test_items_are_taken_as_they_are_needed(pool: GuardedPool) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    for done, _ in enumerate(pool.map(math.sqrt, endless()), start=1):
        assert taken - done <= 4
        if done == 50:
            break
    assert pool.run(math.sqrt, 16.0) == 4.0


@pytest.mark.parametrize(
    ("function", "item", "kind", "words"),
    [
        (time.sleep, 60, DecodeTimeout, "0.5 s"),
        (bytearray, 2 * MEMORY, LimitExceeded, f"{MEMORY:,}"),
        (ctypes.string_at, 0, UnreadableInput, "SIGSEGV"),
        (os._exit, 7, UnreadableInput, "exit code 7"),
        (eval, f"__import__('os').kill({PID}, 9)", LimitExceeded, "killed"),
        (sniff, b"", UnsupportedFormat, "empty"),
        (math.sqrt, -1, FiligraneError, "ValueError was raised: math domain error"),
        (open, os.devnull, FiligraneError, "pickle"),
    ],
)
def test_what_goes_wrong_is_the_result_of_its_own_item(
    pool: GuardedPool, function: object, item: object, kind: type[FiligraneError], words: str
) -> None:
    result = pool.run(function, item)  # type: ignore[arg-type]
    assert type(result) is kind
    assert words in str(result)
    assert dict(pool.map(math.sqrt, [1, 4, 9])) == {1: 1.0, 4: 2.0, 9: 3.0}


def test_good_items_pass_the_stuck_ones() -> None:
    with GuardedPool(2, MEMORY, 0.2) as pool:
        results = dict(pool.map(time.sleep, [30, 0, 0.01, 40, 0.02]))
    assert {item for item, result in results.items() if isinstance(result, DecodeTimeout)} == {30, 40}
    assert [results[item] for item in (0, 0.01, 0.02)] == [None, None, None]


def test_limits_are_in_force(pool: GuardedPool) -> None:
    assert pool.run(resource.getrlimit, resource.RLIMIT_AS) == (MEMORY, MEMORY)
    assert pool.run(resource.getrlimit, resource.RLIMIT_CORE) == (0, 0)
    soft_s, _ = pool.run(resource.getrlimit, resource.RLIMIT_CPU)  # type: ignore[misc]
    assert 0 < soft_s < 600
    assert pool.run(signal.getsignal, signal.SIGINT) is signal.SIG_IGN


def test_the_initializer_runs_before_the_first_item(tmp_path: Path) -> None:
    with GuardedPool(1, MEMORY, 5, partial(os.chdir, tmp_path)) as pool:
        assert pool.run(os.path.abspath, ".") == str(tmp_path)


def test_a_pool_that_cannot_start_says_so(tmp_path: Path) -> None:
    with (
        GuardedPool(1, MEMORY, 5, partial(os.chdir, tmp_path / "none")) as pool,
        pytest.raises(FiligraneError, match="FileNotFoundError"),
    ):
        pool.run(math.sqrt, 4)
    with (
        GuardedPool(1, MEMORY, 5, partial(os._exit, 3)) as pool,
        pytest.raises(FiligraneError, match="could not start"),
    ):
        pool.run(math.sqrt, 4)


def test_closing_ends_the_processes() -> None:
    with GuardedPool(1, MEMORY, 5) as pool:
        pid = pool.run(eval, PID)
        assert isinstance(pid, int)
        assert alive(pid)
    assert not alive(pid)


def test_workers_do_not_outlive_a_killed_parent() -> None:
    script = (
        "from filigrane.core.parallel import GuardedPool\n"
        f"pool = GuardedPool(1, {MEMORY}, 5)\n"
        f"print(pool.run(eval, {PID!r}), flush=True)\n"
        "pool.run(eval, '__import__(\"time\").sleep(0.2)')\n"
        "input()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(worker)
