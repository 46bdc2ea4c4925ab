"""``filigrane trust``: whose signatures are believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from filigrane.cli.terminal import cells, note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from filigrane.provenance.trust import AnchorList


def show(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """List the authorities whose signatures are believed, and until when."""
    import dataclasses
    import json

    from rich.console import Console
    from rich.table import Column, Table

    from filigrane.app.trust import list_anchors
    from filigrane.core.settings import load

    found = list_anchors(load())
    anchors = [anchor for each in found for anchor in each.anchors]
    if as_json:
        records = [dataclasses.asdict(anchor) | {"expired": anchor.expired} for anchor in anchors]
        print(json.dumps(records, indent=2, default=str))
    elif anchors:
        table = Table("list", Column("id", no_wrap=True), "authority", Column("until", no_wrap=True))
        for anchor in anchors:
            end = f"{anchor.expires_at:%Y-%m-%d}" + (" (expired)" if anchor.expired else "")
            table.add_row(*cells(anchor.source, anchor.id, anchor.name, end))
        Console().print(table)
    if not anchors:
        note("No authority is trusted yet: filigrane trust update fetches the official C2PA lists.")


def import_file(
    file: Annotated[Path, typer.Argument(help="A PEM file of CA certificates.")],
    name: Annotated[str, typer.Option(help="Name of the list; as the file is called by default.")] = "",
) -> None:
    """Trust the authorities in a PEM file; a list of the same name is replaced."""
    from filigrane.app.trust import import_anchors
    from filigrane.core.settings import load

    _tell([import_anchors(load(), file, name)])


def update(
    url: Annotated[list[str] | None, typer.Option(help="Address of a list; those in the settings by default.")] = None,
) -> None:
    """Fetch the official C2PA lists (or those of --url) and put them in the place of the older ones."""
    from filigrane.app.trust import update_anchors
    from filigrane.core.settings import load

    _tell(update_anchors(load(), tuple(url or ())))


def _tell(lists: Iterable[AnchorList]) -> None:
    for each in lists:
        count = len(each.anchors)
        print(f"{each.name}: {count} {'authority' if count == 1 else 'authorities'}")
        if each.expired:
            names = "; ".join(f"{anchor.name} ({anchor.expires_at:%Y-%m-%d})" for anchor in each.expired)
            note(f"Expired, so good only for what was time-stamped before: {names}.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    trust = typer.Typer(no_args_is_help=True, help="List, import and update the authorities that are trusted.")
    trust.command("list")(show)
    trust.command("import")(import_file)
    trust.command("update")(update)
    app.add_typer(trust, name="trust")
