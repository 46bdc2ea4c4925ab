"""A model card in Markdown, made from a report and from nothing else, so that it can't say more than was measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from filigrane.core.values import Report, Row
from filigrane.eval.groups import parts_of


def card(report: Report) -> str:
    """The card of ``report``."""
    return "\n".join(_lines(report)) + "\n"


def figure(row: Row) -> str:
    """Value and interval of a row, or why there is none.

    >>> figure(Row("auc", 0.91234, 0.9, 0.92, 100))
    '0.912 [0.900, 0.920]'
    """
    if row.value is None:
        return f"not given: {row.note}"
    form = "{:.3f}" if abs(row.value) < 10 else "{:.1f}"
    interval = f" [{form.format(row.low)}, {form.format(row.high)}]" if None not in (row.low, row.high) else ""
    return form.format(row.value) + interval


def _lines(report: Report) -> Iterator[str]:
    config, environment = report.config, report.environment
    yield from (
        f"# {config.get('detector_name') or report.name}",
        "",
        "Measured by `filigrane eval`; nothing here is claimed, all of it was counted.",
        "",
    )
    if report.warnings:
        yield from ("## Read this first", "", *(f"- {warning}" for warning in report.warnings), "")
    yield from ("## Measured on", "")
    for key in (
        "benchmark",
        "split",
        "deliveries",
        "n_ai",
        "n_real",
        "n_images",
        "licences",
        "threshold",
        "scale",
        "detector_hash",
    ):
        if config.get(key) not in (None, "", []):
            value = config[key]
            shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
            yield f"- {key.replace('_', ' ')}: {shown}"
    for title, rows in _sections(report.rows):
        yield from ("", f"## {title}", "", "| | metric | value [95 %] | n | |", "|---|---|---|---|---|")
        for row in rows:
            group = ", ".join(f"{key} {value}" for key, value in parts_of(row.group).items()) or row.group
            note = row.note if row.value is not None else ""
            yield f"| {_cell(group)} | {row.metric.replace('_', ' ')} | {figure(row)} | {row.n} | {_cell(note)} |"
    yield from ("", "## To repeat it", "", "```json")
    yield json.dumps({"config": config, "environment": environment}, indent=1, ensure_ascii=False)
    yield "```"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _sections(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    deeper = [row for row in rows if len(parts_of(row.group)) > 1]
    plain = [row for row in rows if len(parts_of(row.group)) <= 1]
    for title, part in (
        ("Figures", plain),
        ("By generator", [row for row in deeper if "generator" in parts_of(row.group)]),
        ("False positives by kind of real picture", [row for row in deeper if "kind" in parts_of(row.group)]),
        ("By attack", [row for row in deeper if "attack" in parts_of(row.group)]),
    ):
        if part:
            yield title, part
