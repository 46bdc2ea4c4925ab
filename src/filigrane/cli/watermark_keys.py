"""``filigrane keys watermark``: the private keys that marks are written and read with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from filigrane.cli.terminal import cells

if TYPE_CHECKING:
    from filigrane.app.watermark_keys import WatermarkKey

_Json = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]


def create(as_json: _Json = False) -> None:
    """Make the first private key; from then on marks are written with it."""
    from filigrane.app.watermark_keys import create_watermark_key
    from filigrane.core.settings import load

    _show([create_watermark_key(load())], as_json)


def rotate(as_json: _Json = False) -> None:
    """Make a newer private key for new marks; older keys stay, so that older marks are still read."""
    from filigrane.app.watermark_keys import rotate_watermark_key
    from filigrane.core.settings import load

    _show([rotate_watermark_key(load())], as_json)


def show(as_json: _Json = False) -> None:
    """List the keys, without their secrets; the public one comes last."""
    from filigrane.app.watermark_keys import list_watermark_keys
    from filigrane.core.settings import load

    _show(list_watermark_keys(load()), as_json)


def _show(keys: Sequence[WatermarkKey], as_json: bool) -> None:
    import dataclasses
    import json

    from rich.console import Console
    from rich.table import Column, Table

    if as_json:
        print(json.dumps([dataclasses.asdict(key) for key in keys], indent=2, default=str))
        return
    table = Table(Column("id", no_wrap=True), "profile", "made", "use", "file")
    for key in keys:
        use = "writes and reads" if key.writes else "reads"
        table.add_row(*cells(key.id, key.profile, f"{key.created:%Y-%m-%d %H:%M}", use, key.path or ""))
    Console().print(table)


def register(keys_app: typer.Typer) -> None:
    """Add the commands under ``watermark`` to ``keys_app``."""
    group = typer.Typer(no_args_is_help=True, help="Make, replace and list the keys of the watermark.")
    group.command("create")(create)
    group.command("rotate")(rotate)
    group.command("list")(show)
    keys_app.add_typer(group, name="watermark")
