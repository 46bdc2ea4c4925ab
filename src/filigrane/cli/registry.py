"""``filigrane registry``: what was marked here, what became of it, and taking a mark back."""

from __future__ import annotations

from typing import Annotated

import typer

from filigrane.cli.terminal import cells

_Mark = Annotated[str, typer.Argument(help="Id of the mark: fifteen hexadecimal digits.")]


def audit(
    mark: Annotated[str, typer.Argument(help="Only what happened to this mark.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """Tell what happened to the marks: reserved, issued, revoked; nothing is ever taken out."""
    import dataclasses
    import json

    from rich.console import Console
    from rich.table import Column, Table

    from filigrane.app.registry import audit_marks
    from filigrane.core.settings import load

    entries = audit_marks(load(), mark)
    if as_json:
        told = [dataclasses.asdict(entry) | {"mark": f"{entry.mark:015x}"} for entry in entries]
        print(json.dumps(told, indent=2, default=str))
        return
    table = Table("number", Column("when (UTC)", no_wrap=True), "what", Column("mark", no_wrap=True), "reason")
    for entry in entries:
        row = (entry.seq, f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.event.value, f"{entry.mark:015x}", entry.reason)
        table.add_row(*cells(*row))
    Console().print(table)


def export() -> None:
    """Print every issued mark as a line of JSON."""
    import json

    from filigrane.app.registry import export_marks
    from filigrane.core.settings import load

    for record in export_marks(load()):
        print(json.dumps(record, ensure_ascii=False))


def revoke(
    mark: _Mark,
    reason: Annotated[str, typer.Option(help="Why; the audit keeps it.")],
) -> None:
    """Take a mark back: it is still found, and found to be revoked."""
    from filigrane.app.registry import revoke_mark
    from filigrane.core.settings import load

    revoke_mark(load(), mark, reason)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="See what was marked here, and take marks back.")
    group.command("audit")(audit)
    group.command("export")(export)
    group.command("revoke")(revoke)
    app.add_typer(group, name="registry")
