"""``filigrane report``: check a signed report of the service, and replay it on the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    report: Annotated[Path, typer.Argument(help="The report, as downloaded.")],
    picture: Annotated[
        Path | None, typer.Option(help="The picture it speaks of: it is scanned again and the two are compared.")
    ] = None,
) -> None:
    """Say whether the signature holds and who signed; with a picture, whether the verdict can be made again.

    Ends with 1 where the picture or the verdict is another one.
    """
    from filigrane.app.inputs import Item
    from filigrane.app.runtime import Runtime
    from filigrane.app.scan import scan_items
    from filigrane.app.serving import reports
    from filigrane.core.errors import UnreadableInput
    from filigrane.core.image import Limits, read_file
    from filigrane.core.settings import load

    checked = reports.check(read_file(report, Limits(max_bytes=reports.MAX_REPORT_BYTES)))
    runtime = Runtime(load().model_copy(update={"workers": 1}))
    vouching = reports.authority(checked, runtime.trust)
    print(f"The signature holds: {checked.signer}, certificate {checked.certificate}.")
    print(
        f"An authority vouches for that name: {vouching}."
        if vouching
        else "No authority known here vouches for that name, and anybody can write it into a certificate: "
        "compare the id with the signer's, or import their authority with filigrane trust."
    )
    if picture is None:
        return
    ((_, scanned),) = scan_items([Item(str(picture))], runtime)
    if scanned.error and not checked.report.get("error"):
        raise UnreadableInput(scanned.error)
    found = reports.differences(checked.report, scanned, runtime)
    for sentence in found or ("The verdict was made again from the picture: it is the same.",):
        print(sentence)
    raise typer.Exit(int(bool(found)))


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    report = typer.Typer(no_args_is_help=True, help="Check signed reports of the service.")
    report.command("check")(check)
    report.callback()(lambda: None)
    app.add_typer(report, name="report")
