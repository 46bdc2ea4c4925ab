"""Ten thousand reads of pictures that nobody marked with the reader's key: none may be accepted. Started by hand.

The log that FILIGRANE_TEST_LOG names grows by a line every fifty reads; a run that was stopped goes on from it.
"""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from filigrane.core.errors import WatermarkError
from filigrane.watermark.keys import Key, ring
from filigrane.watermark.methods.spread import MIN_SIDE_PX, Spread

READS = int(os.environ.get("FILIGRANE_TEST_READS", "10000"))
BATCH = 50
HEAD = """\
# Reads of pictures that carry no mark, or a mark of another key, each with a key of its own.
# Written by tests/unit/test_watermark_false_accepts.py, which goes on from it.
# Columns: reads so far, accepted since the line above, time (UTC).
"""


def _pictures(folder: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered files of all shards, over and over."""
    number = 0
    while True:
        for shard in sorted(folder.glob("train-*.tar")):
            with tarfile.open(shard) as archive:
                for member in archive:
                    file = archive.extractfile(member)
                    if file is not None and member.name.endswith((".jpg", ".png", ".webp")):
                        yield number, file.read()
                        number += 1


def _key(number: int) -> Key:
    return Key(profile="private", secret=number.to_bytes(32, "big"), created=datetime(2026, 1, 1, tzinfo=UTC))


def _accepted(job: tuple[int, bytes]) -> bool:
    """Whether the picture, every other time marked under another key, is read under a key of its own."""
    number, data = job
    pixels: NDArray[np.uint8] = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    if number % 2 and min(pixels.shape[:2]) >= MIN_SIDE_PX:
        with contextlib.suppress(WatermarkError):
            pixels = Spread(ring((_key(2 * number + 1),))).embed(pixels, number)
    return Spread(ring((_key(2 * number + 2),))).read(pixels).payload is not None


def _standing(log: Path) -> tuple[int, int]:
    """How many reads ``log`` tells of, and how many of them were accepted; begins the log where there is none."""
    if not log.is_file():
        log.write_text(HEAD)
    lines = [line.split() for line in log.read_text().splitlines() if not line.startswith("#")]
    return (int(lines[-1][0]) if lines else 0), sum(int(line[1]) for line in lines)


def test_a_log_is_gone_on_from(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    assert _standing(log) == (0, 0)
    with log.open("a") as lines:
        lines.write("50 0 10:00:00\n100 2 10:01:00\n150 1 10:02:00\n")
    assert _standing(log) == (150, 3)


@pytest.mark.slow
def test_no_picture_is_read_that_was_not_marked(shared_data: Path, tmp_path: Path) -> None:
    log = Path(os.environ.get("FILIGRANE_TEST_LOG", tmp_path / "false-accepts.txt"))
    done, accepted = _standing(log)
    jobs = islice(_pictures(shared_data / "corpus"), done, READS)
    with ProcessPoolExecutor() as pool, log.open("a") as lines:
        while batch := list(islice(jobs, BATCH)):
            hits = sum(pool.map(_accepted, batch))
            done, accepted = done + len(batch), accepted + hits
            lines.write(f"{done} {hits} {datetime.now(UTC):%H:%M:%S}\n")
            lines.flush()
    assert accepted == 0
