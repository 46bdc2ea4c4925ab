"""``filigrane demo``: a tour of what the program does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[Path, typer.Option("-o", "--output", help="A new or empty folder for what is made.")] = Path(
        "demo"
    ),
) -> None:
    """Make a picture, mark, sign, scan, tamper with, strip and recover it; scan an ordinary photo; write a report."""
    from rich.console import Console
    from rich.text import Text

    from filigrane.app.demo import tour, write_report

    console = Console()
    steps = []
    for number, step in enumerate(tour(folder), 1):
        steps.append(step)
        console.print(Text(f"{number}. {step.title}", "bold"))
        console.print(Text(f"   {step.path}", "dim"))
        if step.scanned is not None and step.scanned.verdict is not None:
            verdict = step.scanned.verdict
            console.print(Text(f"   {verdict.label.value}  P(AI) = {verdict.probability:.3f}", "cyan"))
            for sentence in (verdict.summary, *(f"Conflict: {text}" for text in verdict.conflicts)):
                console.print(Text(f"   {sentence}"))
        for sentence in filter(None, (step.told, step.scanned.error if step.scanned else "")):
            console.print(Text(f"   {sentence}"))
    console.print(Text(f"Everything is in {folder}/; open {write_report(folder, steps)} in a browser.", "bold"))


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("demo")(demo)
