"""``filigrane demo``: a tour of what the program does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from filigrane.app.demo import Step


def demo(
    folder: Annotated[Path, typer.Option("-o", "--output", help="A new or empty folder for what is made.")] = Path(
        "demo"
    ),
) -> None:
    """Draw three pictures, marked and signed; scan, tamper with, strip and recover; scan a photo; write a report."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from filigrane.app.demo import tour, write_report

    console, steps = Console(), []
    for number, step in enumerate(tour(folder), 1):
        steps.append(step)
        console.print(Text(f"{number}. {step.title}", "bold"))
        for line in _lines(step):
            console.print(Padding(line, (0, 0, 0, 3)))
        console.print()
    report = write_report(folder, steps)
    console.print(Text(f"Everything is in {folder}/; open {report} in a browser.", "bold"))


def _lines(step: Step) -> Iterator[Text]:
    """What came of ``step``: its file, the verdict with its reason and conflicts, or the error."""
    from rich.text import Text

    yield Text(str(step.path), "dim")
    if step.scanned is not None and step.scanned.verdict is not None:
        verdict = step.scanned.verdict
        yield Text(f"{verdict.label.value}  P(AI) = {verdict.probability:.3f}", "cyan")
        yield Text(verdict.summary)
        yield from (Text(f"Conflict: {text}", "yellow") for text in verdict.conflicts)
    error = step.scanned.error if step.scanned is not None else ""
    yield from (Text(sentence) for sentence in (step.told, error) if sentence)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("demo")(demo)
