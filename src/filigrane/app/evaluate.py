"""Evaluate a detector or a watermark, compare two results, and write what came of it: one use case per function."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from filigrane.core import plugins
from filigrane.core.errors import MissingExtra, UsageError
from filigrane.core.files import write_atomically
from filigrane.core.image import Limits
from filigrane.core.values import Json, Report, Row
from filigrane.eval import base
from filigrane.eval import report as reports
from filigrane.eval.base import About, Fault, Progress, Tell
from filigrane.eval.cache import Cache
from filigrane.eval.card import card
from filigrane.eval.compare import Difference, compare
from filigrane.eval.gallery import gallery
from filigrane.eval.honesty import Known, contradictions, leak_warning, probe, shared
from filigrane.eval.metrics import logit
from filigrane.eval.page import Exhibit, render
from filigrane.eval.panel import Scale
from filigrane.eval.plots import Chart, charts, mark_charts
from filigrane.eval.scores import Scores
from filigrane.eval.summary import Summary
from filigrane.eval.sweep import Plan, Sweep, Swept, look_at
from filigrane.eval.watermarks import MarkSweep, pictures_in
from filigrane.perturb import table
from filigrane.watermark.base import METHODS, Watermarker, load

Watch = Callable[[Progress], None]
_TOLD = 20


@dataclass(frozen=True, slots=True)
class DetectorRequest:
    """A detector (a spec such as ``onnx:file``) on the benchmark of ``layout`` at ``root``, written to ``output``.

    ``threshold`` None takes the detector's own, where it has one; ``train`` names the layout and root of what the
    detector was trained on, for the search for duplicates; ``limit`` caps the pictures of each generator and kind.
    """

    root: Path
    output: Path
    detector: str
    layout: str = "folder"
    split: str = ""
    deliveries: tuple[str, ...] = ("none",)
    threshold: float | None = None
    limit: int = 0
    train: tuple[str, Path] | None = None
    train_split: str = ""
    seed: int = 0
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class WatermarkRequest:
    """``methods`` (empty: all there are) under ``attacks`` (empty: the yardstick) on the pictures in ``images``."""

    images: Path
    output: Path
    methods: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()
    limit: int = 0
    seed: int = 0
    limits: Limits = field(default_factory=Limits)


class _Faults:
    """Collects what is told during a run: all counted, the first ones kept."""

    def __init__(self) -> None:
        self.kept: list[Fault] = []
        self.count = 0

    def __call__(self, fault: Fault) -> None:
        self.count += 1
        if len(self.kept) < _TOLD:
            self.kept.append(fault)

    def remarks(self) -> list[str]:
        """The first of them, in words."""
        return [f"{fault.where}: {fault.explanation}" for fault in self.kept]

    def sentences(self) -> list[str]:
        """One sentence that counts them, and the first of them."""
        if not self.count:
            return []
        return [f"{self.count} remarks on what was read, the first: {'; '.join(self.remarks()[:3])}"]


def evaluate_detector(request: DetectorRequest, watch: Watch) -> Report:
    """Score, check, summarise and write a report; a killed run goes on where it was when called again."""
    benchmark = base.benchmark(request.layout, request.root)
    scorer = base.scorer(request.detector)
    deliveries = tuple(table.row(name) for name in request.deliveries)
    plan = Plan(deliveries, split=request.split, limit=request.limit, limits=request.limits)
    faults = _Faults()
    with Cache(request.output / "cache.sqlite") as cache:
        trained = _trained_on(request, cache, faults)
        swept = Sweep(benchmark, scorer, plan, cache).run(faults, watch)
        if not len(swept.scores):
            raise UsageError(f"No picture of {request.root} could be scored. " + " ".join(faults.sentences()))
    checks, warnings = _honesty(swept, trained, request.seed)
    threshold = request.threshold if request.threshold is not None else scorer.threshold
    scores, scale = _scaled(swept.scores, scorer.scale, threshold)
    rows = (*Summary(scale, request.seed).rows(scores), *checks)
    config = _config(request, scale, scores) | {"detector_name": scorer.name, "detector_hash": scorer.hash}
    config |= {"licences": benchmark.about.licence, "remarks": faults.remarks()}
    name = f"{scorer.name} on {benchmark.about.title}"
    warnings += faults.sentences()
    report = Report(name, rows, config, reports.environment(request.seed), tuple(warnings))
    scores.save(request.output / reports.SAMPLES)
    reports.save(report, request.output)
    worst = gallery(benchmark, plan, scores, scale)
    _write(report, request.output, charts(scores, scale, report.rows), worst)
    return report


def _config(request: DetectorRequest, scale: Scale, scores: Scores) -> dict[str, Json]:
    first = scores.select(scores.delivery.equal(next(iter(scores.delivery))))
    return {
        "benchmark": request.layout,
        "root": str(request.root),
        "split": request.split,
        "limit": request.limit,
        "detector": request.detector,
        "deliveries": list(request.deliveries),
        "threshold": scale.threshold,
        "scale": "llr" if scale.llr else "score",
        "seed": request.seed,
        "n_ai": int(np.sum(first.label == 1)),
        "n_real": int(np.sum(first.label == 0)),
        "groups": len(np.unique(first.clusters())),
        "train": f"{request.train[0]}:{request.train[1]}" if request.train else "",
    }


def _scaled(scores: Scores, scale: str, threshold: float | None) -> tuple[Scores, Scale]:
    """Scores in nats where they can be, and how to read them."""
    if scale == "score":
        return scores, Scale(threshold, llr=False)
    if scale == "probability":
        scores = replace(scores, score=logit(scores.score))
        threshold = float(logit(np.array(threshold))) if threshold is not None else None
    return scores, Scale(threshold, llr=True)


def _trained_on(request: DetectorRequest, cache: Cache, faults: _Faults) -> tuple[Known, ...] | None:
    """The pictures of the training set, None where none is named; raises UsageError where none could be read."""
    if request.train is None:
        return None
    layout, root = request.train
    plan = Plan((), split=request.train_split, limits=request.limits)
    known = look_at(base.benchmark(layout, root), plan, cache, faults)
    if not known:
        raise UsageError(f"No picture of the training set {root} could be read. " + " ".join(faults.sentences()))
    return known


def _honesty(swept: Swept, trained: Sequence[Known] | None, seed: int) -> tuple[list[Row], list[str]]:
    """The rows and the warnings of the shortcut probe and of the search for duplicates."""
    warnings = []
    known = swept.known
    by_id = dict(zip(swept.scores.id, swept.scores.clusters(), strict=True))
    labels = np.array([item.label for item in known], np.int8)
    clusters = np.array([by_id[item.id] for item in known])
    row = probe([item.traits for item in known], labels, clusters, seed=seed)
    if (warning := leak_warning(row)) is not None:
        warnings.append(warning)
    rows = [row]
    if clash := contradictions(known):
        warnings.append(
            f"{len(clash)} pictures are called both real and AI, such as {clash[0].first} and {clash[0].second}."
        )
    if trained is not None:
        pairs = shared(trained, known)
        exact = sum(pair.exact for pair in pairs)
        share, note = len(pairs) / max(1, len(known)), f"{exact} exact, among {len(trained)} pictures trained on"
        rows.append(Row("test_pictures_in_training", share, None, None, len(known), "check=duplicates", note))
        if pairs:
            warnings.append(
                f"{len(pairs)} of {len(known)} test pictures are also in the training set ({exact} byte for byte), "
                f"such as {pairs[0].second}: the figures are too good by what was learnt by heart."
            )
    return rows, warnings


def _write(report: Report, folder: Path, drawn: Iterable[Chart], worst: Iterable[Exhibit] = ()) -> None:
    write_atomically(folder / reports.PAGE, render(report, drawn, list(worst)).encode())
    write_atomically(folder / reports.CARD, card(report).encode())


def evaluate_watermark(request: WatermarkRequest, watch: Watch) -> Report:
    """Measure watermark methods on the yardstick and write a report; resumes like `evaluate_detector`."""
    images = pictures_in(request.images)[: request.limit or None]
    if not images:
        raise UsageError(f"There is no picture under {request.images}; give a folder of photos.")
    faults = _Faults()
    methods = _named(request.methods) if request.methods else _installed(faults)
    attacks = tuple(map(table.row, request.attacks)) or table.yardstick()
    with Cache(request.output / "cache.sqlite") as cache:
        sweep = MarkSweep(methods, attacks, cache, seed=request.seed, limits=request.limits)
        found = sweep.run(images, faults, watch)
    count = len(next(iter(found.embeddings.values())))
    if not count:
        raise UsageError(f"No picture under {request.images} could be read. " + " ".join(faults.sentences()))
    config: dict[str, Json] = {
        "benchmark": "watermark yardstick",
        "images": str(request.images),
        "n_images": count,
        "methods": {name: methods[name].payload_bits for name in methods},
        "attacks": [attack.name for attack in attacks],
        "seed": request.seed,
        "remarks": faults.remarks(),
    }
    name = f"Watermarks on {count} pictures: {', '.join(methods)}"
    report = Report(name, found.rows(), config, reports.environment(request.seed), tuple(faults.sentences()))
    reports.save(report, request.output)
    _write(report, request.output, mark_charts(report.rows))
    return report


def _named(names: tuple[str, ...]) -> dict[str, Watermarker]:
    """The methods asked for; raises UsageError for one that only reads."""
    methods = {name: load(name) for name in names}
    if reading := [name for name, method in methods.items() if not method.can_embed]:
        raise UsageError(f"{', '.join(reading)} can't embed a mark, only read one; name methods that can.")
    return methods


def _installed(tell: Tell) -> dict[str, Watermarker]:
    """All methods that can embed, in all their variants; those whose packages are not installed are told."""

    def loaded(name: str) -> Watermarker | None:
        try:
            return load(name)
        except MissingExtra as error:
            tell(Fault(name, str(error)))
            return None

    plain = {name: method for name in plugins.names(METHODS) if (method := loaded(name)) and method.can_embed}
    names = [f"{name}:{word}".rstrip(":") for name, method in plain.items() for word in method.variants or ("",)]
    return {name: method for name in names if (method := loaded(name))}


def compare_results(first: Path, second: Path, *, seed: int = 0) -> tuple[tuple[Difference, ...], tuple[str, str]]:
    """The differences between two folders of results, second minus first, and what the two detectors are called."""
    found = [reports.load(folder) for folder in (first, second)]
    tables = Scores.load(first / reports.SAMPLES), Scores.load(second / reports.SAMPLES)
    names = [
        str(report.config.get("detector_name", folder)) for report, folder in zip(found, (first, second), strict=True)
    ]
    if names[0] == names[1]:
        names = [f"{names[0]} ({first.name})", f"{names[1]} ({second.name})"]
    scales = [_scale_of(report.config) for report in found]
    return compare(tables[0], tables[1], (scales[0], scales[1]), seed=seed), (names[0], names[1])


def save_comparison(differences: tuple[Difference, ...], names: tuple[str, str], path: Path) -> None:
    """Write a comparison as JSON, each difference with its sentence."""
    rows = [asdict(item) | {"sentence": item.sentence(*names)} for item in differences]
    write_atomically(path, json.dumps({"first": names[0], "second": names[1], "differences": rows}, indent=1).encode())


def _scale_of(config: Mapping[str, Json]) -> Scale:
    threshold = config.get("threshold")
    return Scale(float(threshold) if isinstance(threshold, (int, float)) else None, llr=config.get("scale") == "llr")


def rebuild(folder: Path) -> Report:
    """Write page and card again from ``results.json`` and ``samples.parquet``; the gallery needs the pictures."""
    report = reports.load(folder)
    if not (folder / reports.SAMPLES).is_file():
        _write(report, folder, mark_charts(report.rows))
        return report
    scores, scale = Scores.load(folder / reports.SAMPLES), _scale_of(report.config)
    worst: list[Exhibit] = []
    layout, root = str(report.config.get("benchmark")), Path(str(report.config.get("root")))
    if root.exists():
        plan = Plan(tuple(map(table.row, dict.fromkeys(scores.delivery))), split=str(report.config.get("split")))
        worst = gallery(base.benchmark(layout, root), plan, scores, scale)
    _write(report, folder, charts(scores, scale, report.rows), worst)
    return report


def layouts() -> Mapping[str, About]:
    """Every benchmark layout with what is known of it."""
    return {name: plugins.load(base.BENCHMARKS, name).about for name in plugins.names(base.BENCHMARKS)}
