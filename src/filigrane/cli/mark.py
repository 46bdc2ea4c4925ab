"""``filigrane mark``: watermark, sign and register pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filigrane.app.mark_job import Marked
    from filigrane.provenance.source_types import SourceType
    from filigrane.watermark.keys import Profile


def mark(
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, 'patterns' or @list (a file of paths).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write, or the folder for several.")],
    profile: Annotated[
        str,
        typer.Option(help="public: anyone can read the mark; private: holders of the key. The newest key if empty."),
    ] = "",
    key_id: Annotated[str, typer.Option(help="Write the mark with this watermark key.")] = "",
    source_type: Annotated[
        str, typer.Option(help="How the pictures came to be, such as trainedAlgorithmicMedia or digitalCapture.")
    ] = "",
    title: Annotated[str, typer.Option(help="Title in the manifest; the file name by default.")] = "",
    provider: Annotated[str, typer.Option(help="Who provides the system (latent disclosure).")] = "",
    system: Annotated[str, typer.Option(help="The AI system that made the pictures.")] = "",
    system_version: Annotated[str, typer.Option(help="Its version.")] = "",
    tc260: Annotated[bool, typer.Option("--tc260", help="Add the metadata label of GB 45438-2025.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave what an earlier run has marked; mark the rest.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes; one per core by default.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Longest time for one picture, in seconds.")] = None,
) -> None:
    """Watermark, sign and register pictures; every output is read back before it takes its name."""
    from filigrane.app.mark_job import Facts, MarkJob, plan, run
    from filigrane.core.settings import load

    job = MarkJob(
        inputs=tuple(inputs),
        output=output,
        facts=Facts(title, _source_type(source_type), provider, system, system_version, tc260),
        profile=_profile(profile),
        key_id=key_id,
        resume=resume,
    )
    worst = 0
    for marked in _with_progress(run(job, load(workers=workers, timeout_s=timeout)), len(plan(job))):
        _tell(marked)
        worst = max(worst, marked.exit_code)
    raise typer.Exit(worst)


def _tell(marked: Marked) -> None:
    for warning in marked.warnings:
        print(f"filigrane: {marked.source}: {warning}", file=sys.stderr)
    if marked.mark is None:
        print(f"filigrane: {marked.source}: {marked.error}", file=sys.stderr)
    else:
        print(f"{marked.target}\t{marked.mark:015x}\t{marked.outcome.value}")


def _source_type(text: str) -> SourceType | None:
    from filigrane.core.errors import UsageError
    from filigrane.provenance.source_types import SourceType

    try:
        return SourceType(text) if text else None
    except ValueError as error:
        known = ", ".join(item.value for item in SourceType)
        raise UsageError(f"--source-type {text!r} is no digital source type; give one of {known}.") from error


def _profile(text: str) -> Profile | None:
    from filigrane.core.errors import UsageError

    match text:
        case "":
            return None
        case "public" | "private":
            return text
        case _:
            raise UsageError(f"--profile is public or private; {text!r} was given.")


def _with_progress(results: Iterator[Marked], total: int) -> Iterator[Marked]:
    """Pass ``results`` on, with a progress bar on standard error where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if total < 2 or not sys.stderr.isatty():
        yield from results
        return
    columns = (TextColumn("marking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("mark", total=total)
        for marked in results:
            yield marked
            bar.advance(task)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("mark")(mark)
