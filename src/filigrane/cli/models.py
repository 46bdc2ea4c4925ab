"""``filigrane models``: which weights are there, whether they are intact, what their cards say, and their export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from filigrane.cli.terminal import cells

if TYPE_CHECKING:
    from filigrane.app.models import Listed


def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """List all weights that can be found."""
    from filigrane.app.models import list_models

    _show(list_models(), as_json)


def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """Compare every file of weights with the SHA-256 in its card."""
    from filigrane.app.models import verify_models

    found = verify_models()
    _show(found, as_json)
    raise typer.Exit(4 if any(item.problem for item in found) else 0)


def show(
    name: Annotated[str, typer.Argument(help="Name of the weights, as listed.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="Write a model card to read instead of JSON.")] = False,
) -> None:
    """Print a card: data, licences, figures, calibration."""
    from filigrane.app.models import model_card, show_model

    print(model_card(name) if markdown else show_model(name).to_json(), end="")


def export(
    name: Annotated[str, typer.Argument(help="Name of the weights, as listed.")],
    onnx: Annotated[Path, typer.Option("--onnx", help="The ONNX file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file where it exists.")] = False,
) -> None:
    """Write a detector as an ONNX network."""
    from filigrane.app.models import export_onnx

    print(export_onnx(name, onnx, force=force))


def _show(found: tuple[Listed, ...], as_json: bool) -> None:
    import json

    from rich.console import Console
    from rich.table import Table

    rows = [
        {
            "name": item.card.name,
            "architecture": item.card.architecture,
            "bytes": item.size_bytes,
            "sha256": item.card.sha256,
            "licence": item.card.licence,
            "problem": item.problem,
        }
        for item in found
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("name", "architecture", "MB", "sha256", "licence", "problem")
    for item in found:
        card = item.card
        told = (card.name, card.architecture, f"{item.size_bytes / 1e6:.1f}", card.sha256[:12], card.licence)
        table.add_row(*cells(*told, item.problem or "none"))
    Console().print(table)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Look at weights and their cards.")
    group.command("list")(list_)
    group.command("verify")(verify)
    group.command("show")(show)
    group.command("export")(export)
    app.add_typer(group, name="models")
