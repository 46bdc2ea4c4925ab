"""``filigrane scan``: where do these pictures come from?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from filigrane.cli.terminal import progress

if TYPE_CHECKING:
    from filigrane.core.values import Label


def scan(
    inputs: Annotated[
        list[str], typer.Argument(help="Files, folders, 'patterns', zip archives, @list (a file of paths), or - .")
    ],
    format: Annotated[str, typer.Option("--format", help="table, json, jsonl, csv, parquet, sarif or html.")] = "table",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write here instead of standard output.")
    ] = None,
    sources: Annotated[str, typer.Option(help="Sources of evidence to ask, joined by commas; all by default.")] = "",
    fail_on: Annotated[
        str, typer.Option(help="Exit with 1 on this verdict or worse: inconclusive, likely-ai or ai-generated.")
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished scan to the same output.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes; one per core by default.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Longest time for one picture, in seconds.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out paths that match this pattern.")] = None,
    quarantine_dir: Annotated[
        Path | None, typer.Option(help="Move files with findings (likely-ai or --fail-on) into this folder.")
    ] = None,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster (RAY_ADDRESS).")] = "local",
    prior: Annotated[
        float | None, typer.Option(help="Share of AI pictures you expect before looking, between 0 and 1.")
    ] = None,
    latent_model: Annotated[
        str | None,
        typer.Option(help="Look for the mark in the noise with this model: builtin, a folder, a file, a hub id."),
    ] = None,
    show_personal: Annotated[
        bool, typer.Option("--show-personal", help="Show places, names and serial numbers found in metadata.")
    ] = False,
) -> None:
    """Say where pictures come from: manifest, watermark, marks of generators, camera data, and what follows."""
    from filigrane.app.runtime import Runtime
    from filigrane.app.scan_job import ScanJob, count, run
    from filigrane.core.settings import load

    settings = load(workers=workers, timeout_s=timeout, prior=prior, latent_model=latent_model)
    runtime = Runtime(settings, sources=tuple(part.strip() for part in sources.split(",") if part.strip()))
    job = ScanJob(
        inputs=tuple(inputs),
        format=format,
        output=output,
        exclude=tuple(exclude or ()),
        fail_on=_label(fail_on),
        resume=resume,
        quarantine=quarantine_dir,
        show_personal=show_personal,
        engine=engine,
    )
    with progress("scanning", count(job, runtime) if sys.stderr.isatty() else 0) as tell:
        tally = run(job, runtime, sys.stdout.buffer, lambda tally: tell(tally.done))
    raise typer.Exit(tally.exit_code())


def _label(text: str) -> Label | None:
    from filigrane.app.scan_job import SEVERITY
    from filigrane.core.errors import UsageError

    if not text:
        return None
    for label in SEVERITY:
        if label.value == text.replace("-", "_").lower():
            return label
    words = ", ".join(label.value.replace("_", "-") for label in SEVERITY)
    raise UsageError(f"--fail-on {text!r} is not a verdict that can fail a scan; give one of {words}.")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("scan")(scan)
