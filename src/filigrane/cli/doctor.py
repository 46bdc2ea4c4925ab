"""``filigrane doctor``: what is installed and there, and what is missing."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """Say what is installed, which weights, keys and anchors are there, where settings come from, what is missing."""
    import dataclasses
    import json

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from filigrane.app.doctor import examine
    from filigrane.app.runtime import Runtime
    from filigrane.core.settings import load

    checks = examine(Runtime(load()))
    if as_json:
        print(json.dumps([dataclasses.asdict(check) for check in checks], indent=2))
    else:
        table = Table("", "topic", "what", "state", "to do")
        for check in checks:
            sign = {True: "[green]ok[/]", False: "[red]!![/]", None: "[yellow]--[/]"}[check.ok]
            table.add_row(sign, check.topic, *map(Text, (check.name, check.state, check.advice)))
        Console().print(table)
    raise typer.Exit(4 if any(check.ok is False for check in checks) else 0)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("doctor")(doctor)
