"""Figures that a run must reach, for use in continuous integration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from filigrane.core.values import Report


@dataclass(frozen=True, slots=True)
class Gate:
    """A figure that must reach ``least`` (or stay under ``most``) for a run to pass, under every delivery."""

    metric: str
    least: float | None = None
    most: float | None = None

    def failures(self, report: Report) -> Iterator[str]:
        """A sentence for every figure of ``report`` that fails; a figure that is not there fails too."""
        rows = [row for row in report.rows if row.metric == self.metric and ";" not in row.group]
        if not rows:
            yield f"{self.metric} was not measured"
        for row in rows:
            if row.value is None:
                yield f"{self.metric} ({row.group}) is not given: {row.note}"
            elif self.least is not None and row.value < self.least:
                yield f"{self.metric} ({row.group}) is {row.value:.4f}, under {self.least:g}"
            elif self.most is not None and row.value > self.most:
                yield f"{self.metric} ({row.group}) is {row.value:.4f}, over {self.most:g}"
