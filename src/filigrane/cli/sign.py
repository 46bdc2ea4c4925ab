"""``filigrane sign``: say of a picture how it came to be, and sign it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from filigrane.cli.terminal import note

if TYPE_CHECKING:
    from filigrane.app.sign import SignResult
    from filigrane.provenance.manifest import Software


def sign(
    file: Annotated[Path, typer.Argument(help="The picture: PNG, JPEG, WebP, AVIF, HEIC, TIFF or GIF.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the signed picture goes.")],
    source_type: Annotated[
        str, typer.Option(help="Digital source type: trainedAlgorithmicMedia, digitalCapture, …, or its URI.")
    ],
    title: Annotated[str, typer.Option(help="Title in the manifest; the file name by default.")] = "",
    system: Annotated[str, typer.Option(help="AI system or program that made the picture.")] = "",
    system_version: Annotated[str, typer.Option(help="Its version.")] = "",
    prompt: Annotated[str, typer.Option(help="Prompt, written into the metadata in clear.")] = "",
    prompt_writer: Annotated[str, typer.Option(help="Who wrote the prompt.")] = "",
    provider: Annotated[str, typer.Option(help="Provider; the organisation of the key by default.")] = "",
    tc260: Annotated[bool, typer.Option("--tc260", help="Write China's TC260 label too.")] = False,
    sidecar: Annotated[bool, typer.Option("--sidecar", help="Keep the manifest in a .c2pa file of its own.")] = False,
    timestamp_url: Annotated[str | None, typer.Option(help="RFC 3161 time-stamp authority to ask.")] = None,
    require_timestamp: Annotated[
        bool, typer.Option("--require-timestamp", help="Fail where no trusted time stamp can be had.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the output where it exists, even the input.")] = False,
) -> None:
    """Write the metadata, sign, read everything back, and only then put the file in its place."""
    from filigrane.app.sign import SignRequest, sign_file
    from filigrane.core.settings import load

    request = SignRequest(
        source=file,
        target=output,
        source_type=source_type,
        title=title,
        system=_software(system, system_version),
        prompt=prompt,
        prompt_writer=prompt_writer,
        provider=provider,
        tc260=tc260,
        sidecar=sidecar,
        require_timestamp=require_timestamp,
        force=force,
    )
    _tell(sign_file(request, load(timestamp_url=timestamp_url)))


def _software(name: str, version: str) -> Software | None:
    from filigrane.core.errors import UsageError
    from filigrane.provenance.manifest import Software

    if version and not name:
        raise UsageError("--system-version was given without --system; name the system too.")
    return Software(name, version) if name else None


def _tell(result: SignResult) -> None:
    print(result.target)
    if result.sidecar is not None:
        print(result.sidecar)
    stamped = "time-stamped" if result.manifest.time_stamped else "without time stamp"
    note(f"Signed by {result.manifest.signer}, {stamped}; it reads back intact and trusted.")
    for warning in result.warnings:
        note(warning, "yellow")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("sign")(sign)
