"""``filigrane train``: train a model of any kind, or set the detector's threshold on one's own photographs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def detector(
    config: Annotated[Path, typer.Option("--config", help="TOML file; docs/detector.toml is the one that ships.")],
) -> None:
    """Train the detector; a run that was stopped goes on where it was."""
    from filigrane.app.train import train_detector

    for card in train_detector(config, _say):
        print(card.path)


def sources(
    listing: Annotated[Path, typer.Option("--list", help="The list; docs/sources.csv is the one that ships.")],
    clones: Annotated[Path, typer.Option("--clones", help="Folder of git clones, as owner/name.")],
    output: Annotated[Path, typer.Option("--output", help="Folder to write the corpus to.")],
) -> None:
    """Rebuild the listed part of the training set from clones of its repositories; nothing is fetched."""
    from filigrane.app.train import rebuild_sources

    print(f"{rebuild_sources(listing, clones, output, _say)} pictures in {output}")


def autoencoder(
    design: Annotated[str, typer.Option("--design", help="kl-f8, kl-f4, vq-f8, transposed-f8 or shuffle-f8.")],
    corpus: Annotated[list[Path], typer.Option("--corpus", help="A corpus with real pictures; may be repeated.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the autoencoder; a stopped run goes on from it.")],
    budget_s: Annotated[float, typer.Option("--budget-s", min=1, help="Seconds of training, all told.")] = 480,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Processor threads; 1 beside other work.")] = 1,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random.")] = 7,
) -> None:
    """Train a small autoencoder to draw real pictures anew with; a run that was stopped goes on where it was."""
    from filigrane.app.train import AutoencoderTraining, train_autoencoder

    request = AutoencoderTraining(design, tuple(corpus), out, budget_s, threads=threads, device=device, seed=seed)
    print(train_autoencoder(request))


def pairs(
    corpus: Annotated[list[Path], typer.Option("--corpus", help="A corpus with real pictures; may be repeated.")],
    output: Annotated[Path, typer.Option("--output", help="Folder to write the corpus of redrawn pictures to.")],
    autoencoder: Annotated[
        Path | None,
        typer.Option(
            "--autoencoder", help="A vae folder of diffusers or one of train autoencoder; else the installed."
        ),
    ] = None,
    per_source: Annotated[int, typer.Option("--per-source", min=1, help="Most pictures of one source.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the choice of pictures.")] = 0,
) -> None:
    """Redraw real pictures by an autoencoder, as AI pictures that differ from them in nothing else."""
    from filigrane.app.train import make_pairs

    made = make_pairs(corpus, output, autoencoder, per_source=per_source, seed=seed)
    print(f"{made} pictures in {output}")


def measure(
    corpus: Annotated[Path, typer.Option("--corpus", help="A corpus with a split that nobody trained on.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for scores and report.")],
    split: Annotated[str, typer.Option("--split", help="The split to measure on.")] = "devtest",
    name: Annotated[str, typer.Option("--name", help="Name of the weights.")] = "detector",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the bootstrap.")] = 0,
) -> None:
    """Measure the detector under every delivery, and write the figures into its card."""
    from filigrane.app.measure import MeasureRequest, measure_detector
    from filigrane.core.values import Row

    def line(row: Row) -> str:
        return f"{row.metric:22} {row.value:.3f} [{row.low or 0:.3f}, {row.high or 0:.3f}] n={row.n} {row.group}"

    report = measure_detector(MeasureRequest(corpus, output, name, split, seed), _say)
    print("\n".join(line(row) for row in report.rows if row.value is not None))


def generator(
    work: Annotated[Path, typer.Option("--work", help="Folder for checkpoints, curves and samples; goes on from it.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write the trained pipeline into.")],
    captions: Annotated[Path | None, typer.Option("--captions", help="captions.csv.gz, for the stage pack.")] = None,
    originals: Annotated[
        Path | None, typer.Option("--originals", help="Folder with the repositories of the pictures, for pack.")
    ] = None,
    stages: Annotated[
        str, typer.Option("--stages", help="Which to run, in this order.")
    ] = "pack,prepare,denoiser,decoder,measure,export",
    start: Annotated[
        Path | None, typer.Option("--start", help="Pipeline folder to go on from where there is no checkpoint.")
    ] = None,
    denoiser_s: Annotated[float, typer.Option("--denoiser-s", min=1, help="Seconds of the denoiser, all told.")] = 3600,
    decoder_s: Annotated[float, typer.Option("--decoder-s", min=1, help="Seconds of the decoder, all told.")] = 1200,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Pictures a step of the denoiser.")] = 32,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Peak rate of the denoiser.")] = 1.2e-3,
    average: Annotated[float, typer.Option("--average", help="Decay of the denoiser's moving average.")] = 0.999,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Processor threads; 1 beside other work.")] = 1,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random.")] = 7,
) -> None:
    """Train the built-in generator, stage by stage; a run that was stopped goes on where it was."""
    from filigrane.app.train_generator import Training, train_generator

    training = Training(
        work,
        out,
        captions=captions,
        originals=originals,
        stages=tuple(stages.split(",")),
        start=start,
        denoiser_s=denoiser_s,
        decoder_s=decoder_s,
        batch=batch,
        learning_rate=learning_rate,
        average=average,
        threads=threads,
        device=device,
        seed=seed,
    )
    print(train_generator(training, _say))


def watermark(
    corpus: Annotated[Path, typer.Option("--corpus", help="Folder of tar shards, or of pictures.")],
    work: Annotated[Path, typer.Option("--work", help="Folder for the checkpoint; a stopped run goes on from it.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the weights; name it in FILIGRANE_WEIGHTS.")],
    budget_s: Annotated[float, typer.Option("--budget-s", min=1, help="Seconds of training, all told.")] = 3600,
    licence: Annotated[str, typer.Option("--licence", help="Licence of the weights.")] = "unstated",
    threads: Annotated[int, typer.Option("--threads", min=1, help="Processor threads; 1 beside other work.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random.")] = 0,
) -> None:
    """Train the learned receiver of the watermark; a run that was stopped goes on where it was."""
    from filigrane.app.train_watermark import ReceiverTraining, train_receiver

    request = ReceiverTraining(corpus, work, out, budget_s, threads=threads, seed=seed, licence=licence)
    print(train_receiver(request, _say).path)


def calibrate(
    images: Annotated[
        list[str] | None, typer.Option("--images", help="Real photographs: a file, folder, glob or archive.")
    ] = None,
    fpr: Annotated[float, typer.Option("--fpr", help="Most false accusations to allow, as a share.")] = 0.01,
    reset: Annotated[bool, typer.Option("--reset", help="Go back to the calibration that ships.")] = False,
) -> None:
    """Set the detector's threshold on real photographs of your own, without training."""
    from filigrane.app.train import calibrate_detector, reset_calibration
    from filigrane.core.errors import UsageError
    from filigrane.core.settings import load

    if reset == bool(images):
        raise UsageError("Give either --images with real photographs or --reset.")
    if reset:
        print("The shipped calibration is in force again." if reset_calibration(load()) else "Nothing to reset.")
        return
    found = calibrate_detector(images or [], load(), _say, false_positive_rate=fpr)
    print(
        f"Threshold {found.threshold:.3f}: at most {found.false_positive_rate:.2%} of such pictures are accused "
        f"(95 % confidence, {found.n_real} pictures)."
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Train a model, or calibrate the detector on your own photographs.")
    group.command("detector")(detector)
    group.command("generator")(generator)
    group.command("watermark")(watermark)
    group.command("sources")(sources)
    group.command("autoencoder")(autoencoder)
    group.command("pairs")(pairs)
    group.command("measure")(measure)
    group.command("calibrate")(calibrate)
    app.add_typer(group, name="train")
