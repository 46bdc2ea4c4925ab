"""Use case: measure the detector on a split that nobody trained on, and write the figures into its card.

`filigrane eval` measures any detector on files as they are. This measures our own on a corpus of crops, whose
deliveries depend on the size of the picture that each crop was cut from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from filigrane.core.errors import UsageError
from filigrane.core.files import write_atomically
from filigrane.core.image import decode, encode
from filigrane.core.values import Json, Pixels, Report, Row
from filigrane.core.weights import Card, find_card
from filigrane.detector import calibrate, corpus, judge, models
from filigrane.detector.calibrate import Calibration
from filigrane.detector.corpus import Entry
from filigrane.detector.delivery import CROP_PX, deliveries, windowed
from filigrane.detector.policy import load_policy
from filigrane.eval import report as reports
from filigrane.eval.honesty import probe
from filigrane.eval.intervals import clustered_share
from filigrane.eval.panel import Scale
from filigrane.eval.scores import Scored, Scores, Words
from filigrane.eval.summary import Summary
from filigrane.eval.traits import traits
from filigrane.perturb.base import recode

Say = Callable[[str], None]
SAME_SIZE = "cut-192"
_KEPT = (
    "auc",
    "average_precision",
    "balanced_accuracy",
    "tpr_at_fpr_0.05",
    "true_positive_rate",
    "false_positive_rate",
    "calibration_error",
    "auc_macro",
    "auc_worst",
    "verdict_flips",
    "verdict_changes",
    "probe_auc",
)


@dataclass(frozen=True, slots=True)
class MeasureRequest:
    """The weights called ``name`` on ``split`` of the corpus at ``root``; scores and report go to ``output``."""

    root: Path
    output: Path
    name: str = "detector"
    split: str = "devtest"
    seed: int = 0


def measure_detector(request: MeasureRequest, say: Say) -> Report:
    """Score every picture under each delivery, summarise, and write the report and the figures of the card.

    Raises UsageError for a corpus that can't be read, NotFound or MissingExtra without the detector.
    """
    card = find_card(request.name)
    detector = models.load(card)
    calibration = calibrate.of_card(card)
    entries = corpus.entries(request.root, split=request.split)
    started = time.monotonic()
    scores = Scores.of(_scored(detector, calibration, entries, say))
    if not len(scores):
        raise UsageError(f"No picture of {request.root} is large enough to be judged.")
    scale = Scale(calibration.llr(calibration.threshold), llr=True)
    asked = judge.Judge(detector, calibration, load_policy())
    rows = (*Summary(scale, request.seed).rows(scores), *_stability(asked, entries), _shortcut(entries, request.seed))
    config: dict[str, Json] = {
        "benchmark": "corpus",
        "split": request.split,
        "detector_name": f"filigrane {card.name}",
        "detector_hash": detector.hash,
        "deliveries": list(dict.fromkeys(scores.delivery)),
        "threshold": scale.threshold,
        "n_ai": len({i for i, label in zip(scores.id, scores.label, strict=True) if label}),
        "n_real": len({i for i, label in zip(scores.id, scores.label, strict=True) if not label}),
        "elapsed_s": round(time.monotonic() - started, 1),
    }
    report = Report(f"filigrane {card.name} on {request.split}", rows, config, reports.environment(request.seed))
    request.output.mkdir(parents=True, exist_ok=True)
    scores.save(request.output / reports.SAMPLES)
    reports.save(report, request.output)
    _note(card, report)
    return report


def _scored(
    detector: models.Detector, calibration: Calibration, entries: tuple[Entry, ...], say: Say
) -> Iterator[Scored]:
    for number, (entry, pixels) in enumerate(corpus.stream(entries)):
        if number % 200 == 0:
            say(f"{number} of {len(entries)} pictures")
        for delivery, made in _deliveries(entry, pixels):
            yield Scored(
                id=entry.file,
                sha256=entry.file,
                label=entry.label,
                score=calibration.llr(judge.score(detector, calibration, made)),
                generator=entry.source if entry.label else "",
                kind="" if entry.label else entry.kind,
                group=entry.group,
                delivery=delivery,
            )


def _deliveries(entry: Entry, pixels: Pixels) -> Iterator[tuple[str, Pixels]]:
    if min(pixels.shape[:2]) >= judge.SMALLEST_PX:
        yield from deliveries(pixels, entry.long_side_px)
    if min(pixels.shape[:2]) >= CROP_PX:
        yield SAME_SIZE, windowed(pixels, CROP_PX)


def _stability(judge_: judge.Judge, entries: tuple[Entry, ...]) -> Iterator[Row]:
    """How often a picture and its JPEG 75 copy get opposite labels, and how often different ones."""
    bands, groups = [], []
    for entry, pixels in corpus.stream(entries):
        if min(pixels.shape[:2]) >= judge.SMALLEST_PX:
            copy = recode(pixels, "JPEG", judge.SECOND_PASS_QUALITY)
            bands.append([judge_.band(pixels), judge_.band(copy)])
            groups.append(entry.group)
    first, second = np.array(bands).T
    clusters = Words.of(groups).codes
    for metric, hits in (("verdict_flips", np.abs(first - second) == 2), ("verdict_changes", first != second)):
        yield Row(metric, *clustered_share(hits, clusters), len(hits), "delivery=clean", "against its JPEG 75 copy")


def _shortcut(entries: tuple[Entry, ...], seed: int) -> Row:
    """What a classifier that sees no pixel makes of the pictures cut to one size and saved as PNG."""
    seen, labels, groups = [], [], []
    for entry, pixels in corpus.stream(entries):
        if min(pixels.shape[:2]) >= CROP_PX:
            seen.append(traits(decode(encode(windowed(pixels, CROP_PX), "png"))))
            labels.append(entry.label)
            groups.append(entry.group)
    row = probe(seen, np.array(labels, np.int8), Words.of(groups).codes, seed=seed)
    return replace(row, group=f"delivery={SAME_SIZE}")


def _note(card: Card, report: Report) -> None:
    """The figures of ``report`` in the card, beside its weights."""
    kept: dict[str, Json] = {
        f"{row.metric};{row.group}": [_rounded(row.value), _rounded(row.low), _rounded(row.high), row.n]
        for row in report.rows
        if row.metric in _KEPT and row.value is not None
    }
    noted = replace(card, metrics={"data": f"the split {report.config['split']}", "figures": kept})
    write_atomically(card.folder / f"{card.name}.json", noted.to_json().encode())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
