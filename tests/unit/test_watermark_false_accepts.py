"""Ten thousand reads of pictures that nobody marked with the reader's key: none may be accepted. Started by hand."""

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


@pytest.mark.slow
def test_no_picture_is_read_that_was_not_marked(shared_data: Path, tmp_path: Path) -> None:
    jobs = islice(_pictures(shared_data / "corpus"), READS)
    with ProcessPoolExecutor() as pool:
        accepted = [number for number, hit in enumerate(pool.map(_accepted, jobs, chunksize=50)) if hit]
    (tmp_path / "false-accepts.log").write_text(f"{len(accepted)} of {READS} reads accepted: {accepted}\n")
    assert accepted == []
