"""A million scores through every metric, its interval, the charts and the report: seconds, and peak memory.

``FILIGRANE_BENCH_SCORES`` sets how many scores (1,000,000 by default). They are drawn: half real, half of twenty
generators, four pictures to a source, so that intervals are clustered as they are on real benchmarks.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from filigrane.core.files import write_atomically
from filigrane.core.values import Report
from filigrane.eval import report as reports
from filigrane.eval.card import card
from filigrane.eval.page import render
from filigrane.eval.panel import Scale
from filigrane.eval.plots import charts
from filigrane.eval.scores import Scores, Words
from filigrane.eval.summary import Summary

GENERATORS, KINDS, PER_SOURCE = 20, 5, 4


def drawn(count: int, rng: np.random.Generator) -> Scores:
    """``count`` scores in nats of a detector that is right more often than not, generators differing in how often."""
    label = (np.arange(count) // PER_SOURCE % 2).astype(np.int8)
    words, kinds = rng.integers(1, GENERATORS + 1, count), rng.integers(1, KINDS + 1, count)
    names = [f"{number:08x}" for number in range(count)]
    return Scores(
        id=names,
        sha256=names,
        label=label,
        score=rng.normal(size=count) * 2 + label * (1 + words / 10) * 2 - 1,
        generator=Words(np.where(label == 1, words, 0), ("", *(f"generator {k}" for k in range(GENERATORS)))),
        kind=Words(np.where(label == 0, kinds, 0), ("", *(f"kind {k}" for k in range(KINDS)))),
        group=Words(np.arange(count) // PER_SOURCE, tuple(f"source {k}" for k in range(count // PER_SOURCE + 1))),
        delivery=Words(np.zeros(count, np.intp), ("none",)),
    )


def main() -> None:
    """Print the figures."""
    count = int(os.environ.get("FILIGRANE_BENCH_SCORES", "1000000"))
    scores, scale = drawn(count, np.random.default_rng(0)), Scale()
    start = time.perf_counter()
    rows = Summary(scale).rows(scores)
    summarised = time.perf_counter()
    report = Report("A million scores", rows, {"benchmark": "drawn"}, reports.environment(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scores.save(folder / reports.SAMPLES)
        reports.save(report, folder)
        write_atomically(folder / reports.PAGE, render(report, charts(scores, scale, rows)).encode())
        write_atomically(folder / reports.CARD, card(report).encode())
    written = time.perf_counter()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count:,} scores, {len(rows)} rows with intervals: {summarised - start:.1f} s")
    print(f"charts, page, card, results and scores written: {written - summarised:.1f} s")
    print(f"in all {written - start:.1f} s, peak memory {peak_mib:.0f} MiB")
