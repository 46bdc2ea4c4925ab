"""A generated picture from words to the checked file: seconds, the share of marking and signing, and peak memory.

``FILIGRANE_BENCH_COUNT`` sets how many pictures (20 by default). The first picture also loads the model. Seconds of
the processor are given too, because a busy machine stretches the others.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from dataclasses import fields
from pathlib import Path

import numpy as np

from filigrane.app.generate import Seconds, Studio, ensure_keys
from filigrane.app.generate_guard import Gate
from filigrane.app.generate_model import ModelChoice
from filigrane.app.order import Order
from filigrane.core.settings import load


def main() -> None:
    """Print the figures."""
    count = int(os.environ.get("FILIGRANE_BENCH_COUNT", "20"))
    with tempfile.TemporaryDirectory() as folder:
        settings = load(home=Path(folder) / "home")
        ensure_keys(settings)
        took, worked, spent = [], [], []
        with Studio.open(settings, ModelChoice(), Gate.open(settings)) as studio:
            for number in range(count + 1):
                start, before = time.perf_counter(), time.process_time()
                order = Order("a red apple", Path(folder) / f"{number}.png", seed=number)
                (made,) = studio.make(order)
                took.append(time.perf_counter() - start)
                worked.append(time.process_time() - before)
                spent.append([getattr(made.seconds, field.name) for field in fields(Seconds)])
    parts = np.median(np.array(spent[1:]), axis=0)
    total = float(np.median(took[1:]))
    print(f"n = {count}; first picture {took[0]:.2f} s, then {total:.3f} s each (median; {min(took[1:]):.3f} at best)")
    print(f"seconds of the processor: {worked[0]:.2f}, then {np.median(worked[1:]):.3f} each")
    for field, seconds in zip(fields(Seconds), parts, strict=True):
        print(f"{field.name:9} {seconds:.3f} s  {seconds / total:6.1%}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
