"""``filigrane comply``: which marks and fields of a law stand in these pictures?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from filigrane.app.comply import Complied

COLOURS = {"found": "green", "missing": "bold red", "not_needed": "dim", "by_eye": "yellow"}


def comply(
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, 'patterns', zip archives or @list.")],
    profile: Annotated[str, typer.Option(help="eu-ai-act, sb942 or tc260.")] = "eu-ai-act",
    format: Annotated[str, typer.Option("--format", help="table, json or html.")] = "table",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write here instead of standard output.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes; one per core by default.")] = None,
) -> None:
    """Say what a law asks of each picture, and which mark or field answers it; exits with 1 where one is missing."""
    from filigrane.app.comply import examine, exit_code, to_html, to_json
    from filigrane.core.errors import UsageError
    from filigrane.core.settings import load

    if format not in ("table", "json", "html"):
        raise UsageError(f"--format is table, json or html; {format!r} was given.")
    found = sorted(examine(inputs, profile, load(workers=workers)), key=lambda item: item.path)
    if format == "json":
        _write(json.dumps(to_json(found, profile), indent=2, ensure_ascii=False) + "\n", output)
    elif format == "html":
        _write(to_html(found, profile), output)
    else:
        _write(_table(found, profile, in_colour=output is None and sys.stdout.isatty()), output)
    raise typer.Exit(exit_code(found))


def _table(found: list[Complied], profile: str, *, in_colour: bool) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from filigrane.app.comply import profile_named
    from filigrane.core.text import printable

    console = Console(width=None if in_colour else 140, force_terminal=in_colour)
    with console.capture() as capture:
        console.print(Text(profile_named(profile).title, "bold"))
        for item in found:
            console.print(Text(f"\n{printable(item.path)}", "bold"))
            if item.error:
                console.print(Text(f"could not be read: {printable(item.error)}", "magenta"))
                continue
            table = Table("what is asked", "answer", "where", box=None, pad_edge=False)
            for answer in item.answers:
                state = Text(answer.state.replace("_", " "), COLOURS[answer.state])
                table.add_row(Text(f"{answer.rule}: {answer.asks}"), state, Text(printable(answer.told)))
            console.print(table)
    return capture.get()


def _write(text: str, output: Path | None) -> None:
    from filigrane.core.errors import UsageError
    from filigrane.core.text import encodable

    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(encodable(text), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} can't be written ({error.strerror}); check the folder.") from error


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("comply")(comply)
