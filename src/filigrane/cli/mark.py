"""``filigrane mark``: watermark, sign and register pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from filigrane.cli.terminal import with_progress
from filigrane.core.text import printable

if TYPE_CHECKING:
    from filigrane.app.mark_job import Marked
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
    from filigrane.app.sign import source_type as parse
    from filigrane.core.settings import load

    job = MarkJob(
        inputs=tuple(inputs),
        output=output,
        facts=Facts(title, parse(source_type) if source_type else None, provider, system, system_version, tc260),
        profile=_profile(profile),
        key_id=key_id,
        resume=resume,
    )
    worst = 0
    for marked in with_progress(run(job, load(workers=workers, timeout_s=timeout)), "marking", len(plan(job))):
        _tell(marked)
        worst = max(worst, marked.exit_code)
    raise typer.Exit(worst)


def _tell(marked: Marked) -> None:
    for sentence in (*marked.warnings, *((marked.error,) if marked.mark is None else ())):
        print(printable(f"filigrane: {marked.source}: {sentence}"), file=sys.stderr)
    if marked.mark is not None:
        print(f"{marked.target}\t{marked.mark:015x}\t{marked.outcome.value}")


def _profile(text: str) -> Profile | None:
    from filigrane.core.errors import UsageError

    match text:
        case "":
            return None
        case "public" | "private":
            return text
        case _:
            raise UsageError(f"--profile is public or private; {text!r} was given.")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("mark")(mark)
