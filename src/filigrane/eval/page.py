"""The report as one HTML page: no script, no network, light and dark, fit for print."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, select_autoescape
from markupsafe import Markup

from filigrane.core.values import Json, Report, Row
from filigrane.eval.card import figure
from filigrane.eval.groups import parts_of
from filigrane.eval.plots import Chart

WORDS = {
    "auc": "Area under the ROC curve",
    "auc_macro": "AUC, mean of generators",
    "auc_worst": "AUC, worst generator",
    "average_precision": "Average precision",
    "equal_error_rate": "Equal error rate",
    "balanced_accuracy": "Balanced accuracy at the frozen threshold",
    "true_positive_rate": "AI pictures found at the threshold",
    "false_positive_rate": "Real pictures accused at the threshold",
    "area_under_risk": "Mean error over all coverages",
    "calibration_error": "Expected calibration error",
    "brier": "Brier score",
    "probe_auc": "Shortcut probe: AUC without seeing a pixel",
    "test_pictures_in_training": "Test pictures that are in the training set",
    "tpr_at_fpr_0.05": "AI pictures found at 5 % false positives",
    "tpr_at_fpr_0.01": "AI pictures found at 1 % false positives",
    "tpr_at_fpr_0.001": "AI pictures found at 0.1 % false positives",
    "message_recovery": "Whole message recovered",
    "tpr_at_fpr_1e-06": "Mark detected at a false-positive rate of 1e-6",
    "bit_accuracy": "Bits right",
    "psnr_db": "PSNR, mean (dB)",
    "psnr_db_min": "PSNR, least (dB)",
    "ssim": "SSIM, mean",
    "encode_cpu_ms_per_mp": "Encoding (CPU-ms per megapixel)",
    "decode_cpu_ms_per_mp": "Decoding (CPU-ms per megapixel)",
}


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture of the gallery: ``thumbnail`` is a base64 JPEG or empty, ``told`` says why it is here."""

    heading: str
    name: str
    told: str
    thumbnail: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of the table of attacks: a share 0 to 1 (None: not measured) and what to show on hovering."""

    share: float | None
    told: str


TITLES = {"delivery": "Figures", "method": "Figures", "check": "Honesty checks"}


@dataclass(frozen=True, slots=True)
class Table:
    """Figures of one sort of group: ``heads`` name the groups, ``body`` has a metric with its row for each of them."""

    title: str
    heads: tuple[str, ...]
    body: tuple[tuple[str, tuple[Row | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The table of attacks: methods, the heads of each method's columns, and lines of an attack with its cells."""

    methods: tuple[str, ...]
    heads: tuple[str, ...]
    body: tuple[tuple[str, tuple[Cell, ...]], ...]


def render(report: Report, charts: Iterable[Chart] = (), gallery: Sequence[Exhibit] = ()) -> str:
    """The page."""
    environment = Environment(autoescape=select_autoescape(default=True), trim_blocks=True, lstrip_blocks=True)
    source = files("filigrane.eval").joinpath("report.html").read_text(encoding="utf-8")
    headings = list(dict.fromkeys(exhibit.heading for exhibit in gallery))
    return environment.from_string(source).render(
        report=report,
        tables=[
            (table.title, table.heads, [(WORDS.get(name, name), [*map(_shown, row)]) for name, row in table.body])
            for table in tables(report.rows)
        ],
        matrix=matrix(report.rows),
        charts=[{"title": c.title, "svg": Markup(c.svg), "caption": c.caption} for c in charts],
        gallery=[(heading, [item for item in gallery if item.heading == heading]) for heading in headings],
        config=_lines(report.config),
        environment=_lines(report.environment),
    )


def _lines(values: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Names and values for reading: lists joined, what is empty left out."""
    shown = []
    for name, value in values.items():
        text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
        text = json.dumps(text, ensure_ascii=False) if isinstance(text, Mapping) else text
        if text not in (None, ""):
            shown.append((name.replace("_", " "), str(text)))
    return shown


def tables(rows: Sequence[Row]) -> tuple[Table, ...]:
    """Figures of whole groups (one delivery, one method, one check): metrics down, groups across."""
    plain = [(parts_of(row.group), row) for row in rows if len(parts_of(row.group)) == 1]
    found = []
    for key in dict.fromkeys(next(iter(parts)) for parts, _ in plain):
        own = [(parts[key], row) for parts, row in plain if key in parts]
        heads = tuple(dict.fromkeys(head for head, _ in own))
        cells = {(row.metric, head): row for head, row in own}
        metrics = dict.fromkeys(row.metric for _, row in own)
        body = tuple((metric, tuple(cells.get((metric, head)) for head in heads)) for metric in metrics)
        found.append(Table(TITLES.get(key, key), heads, body))
    return tuple(found)


def _shown(row: Row | None) -> dict[str, str]:
    if row is None:
        return {"value": "", "interval": "", "note": ""}
    if row.value is None:
        return {"value": "—", "interval": "", "note": row.note}
    value, _, interval = figure(row).partition(" [")
    return {"value": value, "interval": f"[{interval}" if interval else "", "note": row.note}


def matrix(rows: Sequence[Row]) -> Matrix | None:
    """Recovery by attack (down) and method (across); None where no attacks were measured."""
    metrics = ("message_recovery", "tpr_at_fpr_1e-06", "bit_accuracy")
    own = [(parts_of(row.group), row) for row in rows if {"method", "attack"} <= set(parts_of(row.group))]
    if not own:
        return None
    cells = {(parts["attack"], parts["method"], row.metric): row for parts, row in own}
    methods = tuple(dict.fromkeys(parts["method"] for parts, _ in own))
    body = []
    for attack in dict.fromkeys(parts["attack"] for parts, _ in own):
        found = [cells.get((attack, method, metric)) for method in methods for metric in metrics]
        body.append((attack, tuple(_cell(row) for row in found)))
    return Matrix(methods, ("recovered", "detected", "bits right"), tuple(body))


def _cell(row: Row | None) -> Cell:
    if row is None:
        return Cell(None, "")
    return Cell(row.value, f"{row.group}: {WORDS.get(row.metric, row.metric)} {figure(row)}, n {row.n}")
