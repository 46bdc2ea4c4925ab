"""``filigrane keys api``: the keys that let programs and people use the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from filigrane.cli.terminal import cells

if TYPE_CHECKING:
    from filigrane.app.serving.api_keys import ApiKeys


def create(
    name: Annotated[str, typer.Argument(help="Whom or what the key is for.")],
    scopes: Annotated[
        str, typer.Option(help="Joined by commas: detect, scan, generate, lookup, feedback, publish, audit.")
    ] = "detect,scan,generate,lookup,feedback",
    days: Annotated[int | None, typer.Option(min=1, help="Days until it ends; never by default.")] = None,
    rate: Annotated[int | None, typer.Option(min=1, help="Requests a minute; the service's own by default.")] = None,
    quota: Annotated[int | None, typer.Option(min=1, help="Pictures a day; the service's own by default.")] = None,
) -> None:
    """Make a key; its text is shown this once."""
    keys = _keys()
    wanted = [part.strip() for part in scopes.split(",") if part.strip()]
    _, text = keys.create(name, wanted, days=days, rate_per_minute=rate, daily_quota=quota)
    print(text)


def show(as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False) -> None:
    """List the keys, without their secrets."""
    import json

    from rich.console import Console
    from rich.table import Column, Table

    found = _keys().list()
    if as_json:
        told = [
            {
                "id": key.id,
                "name": key.name,
                "scopes": sorted(key.scopes),
                "created_at": key.created_at.isoformat(),
                "expires_at": key.expires_at.isoformat() if key.expires_at else None,
                "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
                "rate_per_minute": key.rate_per_minute,
                "daily_quota": key.daily_quota,
            }
            for key in found
        ]
        print(json.dumps(told, indent=2))
        return
    table = Table(Column("id", no_wrap=True), "name", "scopes", "until")
    for key in found:
        until = "revoked" if key.revoked_at else f"{key.expires_at:%Y-%m-%d}" if key.expires_at else ""
        table.add_row(*cells(key.id, key.name, " ".join(sorted(key.scopes)), until))
    if table.row_count:
        Console().print(table)


def revoke(id: Annotated[str, typer.Argument(help="Id of the key, the part before the dot.")]) -> None:
    """End a key at once, with the sessions opened by it."""
    _keys().revoke(id)


def _keys() -> ApiKeys:
    from filigrane.app.serving.api_keys import ApiKeys
    from filigrane.app.serving.settings import load_service
    from filigrane.app.serving.tables import Ledger
    from filigrane.core.settings import load

    return ApiKeys(Ledger.open(load().home, load_service().database_url))


def register(keys_app: typer.Typer) -> None:
    """Add the commands under ``api`` to ``keys_app``."""
    api = typer.Typer(no_args_is_help=True, help="Make, list and revoke the keys of the service.")
    api.command("create")(create)
    api.command("list")(show)
    api.command("revoke")(revoke)
    keys_app.add_typer(api, name="api")
