"""``filigrane heat``: draw where in a picture the classifier sees its signs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def heat(
    picture: Annotated[Path, typer.Argument(help="A picture.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png, or a .html page with explanations.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file where it exists.")] = False,
) -> None:
    """Draw where in a picture the classifier sees its signs."""
    from filigrane.app.heat import export
    from filigrane.core.settings import load

    print(export(picture, output, load(), force=force))


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("heat")(heat)
