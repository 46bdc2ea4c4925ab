"""Throughput of declared-sign scanning, beside bare Pillow decoding of the same files in as many processes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from filigrane.app.inputs import expand
from filigrane.app.runtime import Runtime
from filigrane.app.scan import scan_items
from filigrane.core.settings import load

COUNT, SIZE_PX, ROUNDS = 300, (1152, 896), 3


def make_photos(folder: Path) -> None:
    """Write `COUNT` JPEGs of about one megapixel with the texture of photographs: filtered noise over a gradient."""
    rng = np.random.default_rng(0)
    width, height = SIZE_PX
    for number in range(COUNT):
        small = rng.normal(128, 60, (height // 8, width // 8, 3)).clip(0, 255).astype(np.uint8)
        image = Image.fromarray(small).resize(SIZE_PX, Image.Resampling.BICUBIC)
        grain = rng.normal(0, 6, (height, width, 1))
        pixels = (np.asarray(image) + grain).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.jpg", quality=90)


def pillow(path: str) -> int:
    """Decode one file as any reader would."""
    with Image.open(path) as image:
        return image.convert("RGB").size[0]


def best_of(rounds: int, work: Callable[[], int]) -> float:
    """The shortest of ``rounds`` runs, in seconds; each run must handle every picture."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        handled = work()
        times.append(time.perf_counter() - start)
        assert handled == COUNT, f"{handled} of {COUNT} pictures were handled"
    return min(times)


def main() -> None:
    """Print pictures per second of both, and the ratio of their times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder)
        runtime = Runtime(load(home=folder / "home"), sources=("camera", "manifest", "metadata"))
        workers = runtime.settings.worker_count
        paths = [str(path) for path in sorted(folder.glob("*.jpg"))]

        def scan() -> int:
            found = scan_items(expand(paths, max_bytes=2**28), runtime)
            return sum(scanned.verdict is not None for _, scanned in found)

        with get_context("spawn").Pool(workers) as pool:
            pool.map(pillow, paths[:10])
            bare = best_of(ROUNDS, lambda: len(pool.map(pillow, paths, chunksize=4)))
        ours = best_of(ROUNDS, scan)
    print(f"{workers} processes, {COUNT} JPEGs of {SIZE_PX[0]} x {SIZE_PX[1]} px, best of {ROUNDS}")
    print(f"bare Pillow decode   {COUNT / bare:7.1f} pictures/s")
    print(f"declared-sign scan   {COUNT / ours:7.1f} pictures/s (worker start included)")
    print(f"time ratio           {ours / bare:7.2f}")
