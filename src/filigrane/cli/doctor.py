"""``filigrane doctor``: what is installed and there, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from filigrane.app.doctor import Check


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """Say what is installed, which weights, keys and anchors are there, where settings come from, what is missing."""
    import dataclasses
    import json

    from filigrane.app.doctor import examine
    from filigrane.app.runtime import Runtime
    from filigrane.core.settings import load

    checks = examine(Runtime(load()))
    if as_json:
        print(json.dumps([dataclasses.asdict(check) for check in checks], indent=2))
    else:
        _print(checks)
    raise typer.Exit(4 if any(check.ok is False for check in checks) else 0)


def _print(checks: Sequence[Check]) -> None:
    """One block a topic; what to do stands below what is wrong."""
    from itertools import groupby

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for topic, group in groupby(checks, key=lambda check: check.topic):
        console.print(Text(f"\n{topic}", style="bold"))
        table = Table.grid(padding=(0, 2, 0, 0))
        for check in group:
            sign = {True: "[green]ok[/]", False: "[red]!![/]", None: "[yellow]--[/]"}[check.ok]
            told = Text(check.state, overflow="fold") + Text(f"\n→ {check.advice}" if check.advice else "")
            table.add_row(sign, Text(check.name, overflow="fold"), told)
        console.print(table)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("doctor")(doctor)
