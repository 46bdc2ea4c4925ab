"""``filigrane eval``: how far can a detector or a watermark be trusted?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from filigrane.core.values import Report
    from filigrane.eval.base import Progress
    from filigrane.eval.gate import Gate

OUTPUT = Path("filigrane-eval")
_Output = Annotated[Path, typer.Option("-o", "--output", help="Folder for results, page and cache; a rerun resumes.")]
_Seed = Annotated[int, typer.Option(help="Seed of everything that is drawn.")]
_Limit = Annotated[int, typer.Option(min=0, help="At most so many pictures of each generator and kind; 0 is all.")]


def detector(
    root: Annotated[Path, typer.Argument(help="Where the benchmark lies.")],
    spec: Annotated[
        str,
        typer.Option("--detector", help="builtin, onnx:FILE, timm:ARCH@FILE, hf:NAME or http://HOST/PATH, #options."),
    ] = "builtin",
    command: Annotated[str, typer.Option(help="A program to run instead: 'prog {path}', printing a score.")] = "",
    scale: Annotated[str, typer.Option(help="What the command prints: llr, probability or score.")] = "score",
    layout: Annotated[str, typer.Option(help="Layout of the benchmark; see 'filigrane eval list'.")] = "folder",
    split: Annotated[str, typer.Option(help="Only this split.")] = "",
    deliveries: Annotated[
        str, typer.Option(help="Rows of the attack table, joined by commas (none,jpeg-75,…), or yardstick for all.")
    ] = "none",
    threshold: Annotated[float | None, typer.Option(help="Frozen threshold on the detector's own scale.")] = None,
    train: Annotated[str, typer.Option(help="LAYOUT:FOLDER of the training set, to look for duplicates.")] = "",
    train_split: Annotated[str, typer.Option(help="Split of the training set.")] = "",
    limit: _Limit = 0,
    min_auc: Annotated[
        float | None, typer.Option(help="Exit with 1 where the AUC of a delivery is under this.")
    ] = None,
    min_worst_auc: Annotated[float | None, typer.Option(help="The same for the worst generator.")] = None,
    min_balanced_accuracy: Annotated[float | None, typer.Option(help="The same for the balanced accuracy.")] = None,
    max_fpr: Annotated[float | None, typer.Option(help="Exit with 1 where more real pictures are accused.")] = None,
    seed: _Seed = 0,
    output: _Output = OUTPUT,
) -> None:
    """Measure a detector on a benchmark: figures with intervals, honesty checks, and a page to read."""
    from filigrane.app.evaluate import DetectorRequest, evaluate_detector
    from filigrane.core.settings import load
    from filigrane.eval.gate import Gate

    request = DetectorRequest(
        root=root,
        output=output,
        detector=_command(command, scale) if command else spec,
        layout=layout,
        split=split,
        deliveries=_deliveries(deliveries),
        threshold=threshold,
        limit=limit,
        train=_train(train),
        train_split=train_split,
        seed=seed,
        limits=load().limits,
    )
    report = _with_progress(lambda tell: evaluate_detector(request, tell))
    _print_report(report, output)
    gates = [
        Gate("auc", least=min_auc),
        Gate("auc_worst", least=min_worst_auc),
        Gate("balanced_accuracy", least=min_balanced_accuracy),
        Gate("false_positive_rate", most=max_fpr),
    ]
    _leave(report, gates)


def watermark(
    images: Annotated[Path, typer.Option(help="Folder of photos.")],
    methods: Annotated[str, typer.Option(help="Methods joined by commas; all that are installed by default.")] = "",
    attacks: Annotated[str, typer.Option(help="Rows of the attack table joined by commas; all by default.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="At most so many pictures; 0 is all.")] = 0,
    min_recovery: Annotated[float | None, typer.Option(help="Exit with 1 where a method recovers less.")] = None,
    seed: _Seed = 0,
    output: _Output = OUTPUT,
) -> None:
    """Measure watermarks on the yardstick: recovery under every attack, quality, and cost."""
    from filigrane.app.evaluate import WatermarkRequest, evaluate_watermark
    from filigrane.core.settings import load
    from filigrane.eval.gate import Gate

    request = WatermarkRequest(
        images=images,
        output=output,
        methods=_words(methods),
        attacks=_words(attacks),
        limit=limit,
        seed=seed,
        limits=load().limits,
    )
    report = _with_progress(lambda tell: evaluate_watermark(request, tell))
    _print_yardstick(report, output)
    _leave(report, [Gate("message_recovery", least=min_recovery)])


def compare(
    first: Annotated[Path, typer.Argument(help="Folder of results of one detector.")],
    second: Annotated[Path, typer.Argument(help="Folder of results of another, on the same benchmark.")],
    seed: _Seed = 0,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Also write the comparison as JSON.")] = None,
) -> None:
    """Say whether the second detector is better than the first on the pictures that both were given."""
    from filigrane.app.evaluate import compare_results, save_comparison

    differences, names = compare_results(first, second, seed=seed)
    shown = [item for item in differences if item.p_value is not None or not item.low <= 0 <= item.high]
    for difference in shown:
        print(difference.sentence(*names))
    if rest := len(differences) - len(shown):
        print(f"In {rest} other figures no difference is shown.")
    if output is not None:
        save_comparison(differences, names, output)


def report(
    folder: Annotated[Path, typer.Argument(help="Folder that an evaluation wrote.")] = OUTPUT,
) -> None:
    """Write the page and the card again from the results in a folder."""
    from filigrane.app.evaluate import rebuild

    _print_report(rebuild(folder), folder)


def layouts() -> None:
    """Tell every benchmark layout: what it is, its licence, and where to get it."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from filigrane.app import evaluate

    console = Console()
    for name, about in evaluate.layouts().items():
        console.print(Text(name, style="bold"), Text(about.title))
        told = f"on disk  {about.layout}\nlicence  {about.licence}\nfrom     {about.source}"
        console.print(Padding(Text(told, overflow="fold"), (0, 0, 0, 4)))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _deliveries(text: str) -> tuple[str, ...]:
    from filigrane.perturb.table import yardstick

    return tuple(row.name for row in yardstick()) if text == "yardstick" else _words(text)


def _command(command: str, scale: str) -> str:
    return f"command:{command}#scale={scale}"


def _train(text: str) -> tuple[str, Path] | None:
    from filigrane.core.errors import UsageError

    if not text:
        return None
    layout, _, folder = text.partition(":")
    if not folder:
        raise UsageError(f"--train {text!r} names no folder; write LAYOUT:FOLDER, such as folder:data/train.")
    return layout, Path(folder)


def _with_progress(work: Callable[[Callable[[Progress], None]], Report]) -> Report:
    """Run ``work`` with a progress bar and an estimate on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    if not sys.stderr.isatty():
        return work(lambda state: None)
    columns = (TextColumn("measuring"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(state: object) -> None:
            left = getattr(state, "remaining_s", None)
            words = (
                "" if left is None else f"about {left / 60:.0f} min left" if left > 90 else f"about {left:.0f} s left"
            )
            bar.update(
                task, completed=getattr(state, "done", 0), total=getattr(state, "total", None), description=words
            )

        return work(show)


def _print_report(found: Report, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from filigrane.eval.card import figure
    from filigrane.eval.groups import parts_of
    from filigrane.eval.page import tables

    console = Console()
    for warning in found.warnings:
        console.print(Text(f"Mind this: {warning}", style="bold"))
    console.print(Text(found.name, style="bold"))
    for shown in tables(found.rows):
        table = Table("", *shown.heads)
        for metric, rows in shown.body:
            cells = [
                f"{figure(row)}\n{row.note}".rstrip() if row is not None and row.value is not None else "—"
                for row in rows
            ]
            table.add_row(*map(Text, (metric.replace("_", " "), *cells)))
        console.print(table)
    for row in found.rows:
        if row.value is None and len(parts_of(row.group)) == 1:
            console.print(Text(f"{row.metric.replace('_', ' ')} ({row.group}): not given, {row.note}"))
    console.print(f"Page, card and results are in {folder}.", highlight=False)


def _print_yardstick(found: Report, folder: Path) -> None:
    """Attacks down, methods across: recovered, detected, bits right; then what each method costs."""
    from rich.console import Console
    from rich.table import Table

    from filigrane.eval.page import matrix

    console, shown = Console(), matrix(found.rows)
    if shown is not None:
        heads = [f"{method}\n{head}" for method in shown.methods for head in shown.heads]
        table = Table("attack", *heads, title=found.name)
        for attack, line in shown.body:
            cells = ("—" if cell.share is None else f"{100 * cell.share:.1f} %" for cell in line)
            table.add_row(attack, *cells)
        console.print(table)
    _print_report(found, folder)


def _failures(found: Report, gates: list[Gate]) -> Iterator[str]:
    for gate in gates:
        if gate.least is not None or gate.most is not None:
            yield from gate.failures(found)


def _leave(found: Report, gates: list[Gate]) -> None:
    failed = list(_failures(found, gates))
    for sentence in failed:
        print(f"failed: {sentence}", file=sys.stderr)
    raise typer.Exit(1 if failed else 0)


def register(app: typer.Typer) -> None:
    """Add the command and its sub-commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Measure detectors and watermarks, and how far that holds.")
    for name, function in (
        ("detector", detector),
        ("watermark", watermark),
        ("compare", compare),
        ("report", report),
        ("list", layouts),
    ):
        group.command(name)(function)
    app.add_typer(group, name="eval")
