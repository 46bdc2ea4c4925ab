"""``filigrane keys``: the local authority and the key that signs manifests; below, keys of watermark and service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from filigrane.cli import api_keys, watermark_keys
from filigrane.cli.terminal import cells, note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from filigrane.app.keys import KeyInfo
    from filigrane.provenance.certificates import Algorithm

JSON = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
ALGORITHM = Annotated[str, typer.Option("--alg", help="es256, ed25519 or ps256.")]


def init(
    alg: ALGORITHM = "es256",
    name: Annotated[str, typer.Option(help="Organisation that the certificates name.")] = "Filigrane user",
    country: Annotated[str, typer.Option(help="Its country, two capital letters; ZZ says nothing.")] = "ZZ",
    force: Annotated[bool, typer.Option("--force", help="Put new keys in the place of those there are.")] = False,
    as_json: JSON = False,
) -> None:
    """Make a local certificate authority and a signing key; private keys are readable by their owner only."""
    from filigrane.app.keys import init_keys
    from filigrane.core.settings import load
    from filigrane.provenance.certificates import Holder

    made = init_keys(load(), Holder(name, country), algorithm=_algorithm(alg), force=force)
    _show(made.keys, as_json)
    if made.former:
        note(
            f"The former authority stays trusted as the list {made.former}, so that pictures signed before still "
            "read as trusted; remove that list if its key may have been stolen."
        )
    note("Give ca.pem to those who should trust your signatures; keep ca.key and sign.key to yourself.")


def renew(
    alg: Annotated[str, typer.Option("--alg", help="es256, ed25519 or ps256; as before by default.")] = "",
    as_json: JSON = False,
) -> None:
    """Issue a new signing key from the local authority, which stays as it is."""
    from filigrane.app.keys import renew_key
    from filigrane.core.settings import load

    _show(renew_key(load(), _algorithm(alg) if alg else None).keys, as_json)


def show(as_json: JSON = False) -> None:
    """List the keys: id, holder, algorithm, end, and what is wrong with each."""
    from filigrane.app.keys import list_keys
    from filigrane.core.settings import load

    found = list_keys(load())
    _show(found, as_json)
    if not found:
        note("There are no signing keys; filigrane keys init makes them.")


def _algorithm(text: str) -> Algorithm:
    from filigrane.core.errors import UsageError
    from filigrane.provenance.certificates import Algorithm

    known = {item.value: item for item in Algorithm}
    if text.lower() not in known:
        raise UsageError(f"--alg {text!r} is not an algorithm for signing claims; give one of {', '.join(known)}.")
    return known[text.lower()]


def _show(keys: Iterable[KeyInfo], as_json: bool) -> None:
    import dataclasses
    import json

    from rich.console import Console
    from rich.table import Column, Table

    if as_json:
        print(json.dumps([dataclasses.asdict(key) for key in keys], indent=2, default=str))
        return
    table = Table("key", Column("id", no_wrap=True), "holder", "algorithm", Column("until", no_wrap=True), "problem")
    for key in keys:
        told = (key.role, key.id, key.holder, key.algorithm, f"{key.expires_at:%Y-%m-%d}", key.problem)
        table.add_row(*cells(*told))
    if table.row_count:
        Console().print(table)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    keys = typer.Typer(
        no_args_is_help=True,
        help="Make, renew and list the keys that sign manifests, and those of watermark and service.",
    )
    keys.command("init")(init)
    keys.command("renew")(renew)
    keys.command("list")(show)
    watermark_keys.register(keys)
    api_keys.register(keys)
    app.add_typer(keys, name="keys")
