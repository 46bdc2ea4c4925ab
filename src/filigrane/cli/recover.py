"""``filigrane recover``: the manifest of a picture that lost it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from filigrane.core.text import printable

if TYPE_CHECKING:
    from filigrane.app.recover import Recovered
    from filigrane.core.values import Json


def recover(
    file: Annotated[Path, typer.Argument(help="A picture, whatever became of it since it was marked.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the manifest store (.c2pa) here, if it was found.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of sentences.")] = False,
) -> None:
    """Find the manifest of a picture by its watermark, its bytes or its look. Exit code 1: there is none for it."""
    import json

    from filigrane.app.recover import recover_file
    from filigrane.core.errors import UsageError
    from filigrane.core.files import write_atomically
    from filigrane.core.settings import load

    recovered = recover_file(file, load())
    if output is not None and recovered.found and recovered.mark is not None:
        try:
            write_atomically(output, recovered.mark.manifest)
        except OSError as error:
            raise UsageError(f"{output} can't be written ({error.strerror}); give another -o.") from error
    print(json.dumps(_record(file, recovered), indent=2) if as_json else "\n".join(_lines(recovered)))
    raise typer.Exit(0 if recovered.found else 1)


def _lines(recovered: Recovered) -> list[str]:
    lines = [recovered.summary]
    if (mark := recovered.mark) is not None:
        facts = {
            "mark": f"{mark.id:015x}",
            "issued": f"{mark.created_at:%Y-%m-%d %H:%M:%S} UTC",
            "title": mark.title,
            "provider": mark.provider,
            "system": f"{mark.system} {mark.system_version}".strip(),
            "manifest": mark.manifest_id,
            "file as issued": f"{mark.format}, SHA-256 {mark.sha256}",
        }
        lines += [f"  {name}: {text}" for name, text in facts.items() if text]
    return [printable(line) for line in lines]


def _record(file: Path, recovered: Recovered) -> Json:
    mark, manifest = recovered.mark, recovered.manifest
    similarity, reading = recovered.similarity, recovered.reading
    return {
        "path": str(file),
        "found": recovered.found,
        "state": recovered.state.value,
        "route": recovered.route.value if recovered.route else None,
        "summary": recovered.summary,
        "manifest_holds": recovered.holds,
        "signer": manifest.signer if manifest else None,
        "trust": manifest.trust.value if manifest else None,
        "mark": {
            "id": f"{mark.id:015x}",
            "alg": mark.alg,
            "key_id": mark.key_id,
            "manifest_id": mark.manifest_id,
            "sha256": mark.sha256,
            "original_sha256": mark.original_sha256 or None,
            "format": mark.format,
            "issued_at": mark.created_at.isoformat(),
            "title": mark.title,
            "provider": mark.provider,
            "system": mark.system,
            "system_version": mark.system_version,
        }
        if mark
        else None,
        "revoked": {"at": mark.revoked.at.isoformat(), "reason": mark.revoked.reason}
        if mark and mark.revoked
        else None,
        "look": {"verdict": similarity.look.value, "score": similarity.score, "distance": similarity.distance}
        if similarity
        else None,
        "p_value": reading.p_value if reading and reading.payload is not None else None,
    }


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("recover")(recover)
