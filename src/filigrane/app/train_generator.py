"""Use case: train the built-in generator, stage by stage, and export it as a folder that diffusers loads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filigrane.core.errors import MissingExtra, UsageError
from filigrane.core.values import Json

if TYPE_CHECKING:
    from filigrane.generator.train.stages import Work

STAGES = ("pack", "prepare", "denoiser", "decoder", "measure", "export")


@dataclass(frozen=True, slots=True)
class Training:
    """What to train, from what, and for how long.

    ``captions`` and ``originals`` are needed by the stage ``pack`` only: the gzipped CSV that lists the pictures, and
    the folder of their repositories. ``work`` keeps checkpoints, curves and sample grids; stages that find theirs go on
    from it. ``start`` is a pipeline folder, such as the shipped one, to go on from where there is no checkpoint.
    ``batch``, ``learning_rate`` and ``average``, the decay of the moving average, are the denoiser's.
    """

    work: Path
    out: Path
    captions: Path | None = None
    originals: Path | None = None
    stages: tuple[str, ...] = STAGES
    start: Path | None = None
    denoiser_s: float = 3600.0
    decoder_s: float = 1200.0
    batch: int = 32
    learning_rate: float = 1.2e-3
    average: float = 0.999
    threads: int = 1
    device: str = "auto"
    seed: int = 7


INNER_SHARE = 0.55
"""Of the decoder's time, for its inner levels."""

FACTS: dict[str, Json] = {
    "name": "filigrane-builtin",
    "licence": "Apache-2.0",
    "summary": "A small Stable Diffusion for fruit, clothes, flowers and 3D emoji in named colours, at 256 px.",
    "limits": (
        "Soft pictures of single things and heaps of them: no people, no scenes, no writing, no counting. "
        "One colour word and one noun are understood; other prompts give the nearest thing it knows. "
        "Emoji come near the one picture of each that it was taught."
    ),
    "steps": 16,
    "guidance": 3.0,
    "trained_on": (
        "GroceryStoreDataset (MIT), github.com/marcusklasson/GroceryStoreDataset",
        "ECUSTFD (no licence stated; its authors call it a free public data set), github.com/Liang-yc/ECUSTFD-resized-",
        "Clothing dataset (CC0-1.0), github.com/alexeygrigorev/clothing-dataset",
        "Fluent Emoji 3D (MIT, Microsoft), github.com/shuding/fluentui-emoji-unicode",
        "tf_flowers photographs (CC-BY-2.0, authors by Flickr id), github.com/JoelOscarsson/dl-assignment",
    ),
}


def train_generator(training: Training, say: Callable[[str], None]) -> Path:
    """Run the stages asked for, in their order, telling ``say`` where each stands; returns the folder written last.

    Raises UsageError for a stage that does not exist or lacks its files, MissingExtra without torch and diffusers.
    """
    unknown = [stage for stage in training.stages if stage not in STAGES]
    if unknown:
        raise UsageError(f"There is no stage {unknown[0]!r} of the training; the stages are {', '.join(STAGES)}.")
    try:
        import torch

        from filigrane.generator.train import stages
    except ImportError as error:
        raise MissingExtra("Training the generator", "generate") from error
    torch.set_num_threads(training.threads)
    training.work.mkdir(parents=True, exist_ok=True)
    work = stages.Work(training.work)
    for stage in STAGES:
        if stage in training.stages:
            say(f"{stage}: started")
            _run(stage, training, work, say)
    return training.out if "export" in training.stages else training.work


def _run(stage: str, training: Training, work: Work, say: Callable[[str], None]) -> None:
    from filigrane.generator import data
    from filigrane.generator.train import figures, stages
    from filigrane.generator.train.loop import Plan

    plan = Plan(0, 0, training.learning_rate, seed=training.seed, device=_device(training.device))
    match stage:
        case "pack":
            if training.captions is None or training.originals is None:
                raise UsageError(
                    "Packing needs --captions (the list of pictures) and --originals (their repositories)."
                )
            pack = data.pack(training.captions, training.originals, work.folder / "pack")
            say(f"pack: {len(pack.items)} pictures, {len(pack.indices(held_out=True))} of them held out")
        case "prepare":
            stages.prepare(work, seed=training.seed, start=training.start)
        case "denoiser":
            plan = replace(plan, budget_s=training.denoiser_s, batch=training.batch, average=training.average)
            stages.train_denoiser(work, plan, say, start=training.start)
        case "decoder":
            inner = replace(plan, budget_s=training.decoder_s * INNER_SHARE, batch=16, learning_rate=2e-3)
            whole = replace(plan, budget_s=training.decoder_s * (1 - INNER_SHARE), batch=8, learning_rate=5e-4)
            stages.train_decoder(work, inner, whole, start=training.start)
        case "measure":
            found = figures.measure_all(work, stages.trained(work), work.folder / "sheets")
            say(f"measure: {found}")
        case _:
            metrics = work.folder / "metrics.json"
            measured: Json = json.loads(metrics.read_text(encoding="utf-8")) if metrics.is_file() else {}
            facts: dict[str, Json] = {**FACTS, "seed": training.seed, "metrics": measured}
            stages.export(work, training.out, facts)


def _device(asked: str) -> str:
    """The device asked for, or the GPU where there is one."""
    import torch

    if asked != "auto":
        return asked
    return "cuda" if torch.cuda.is_available() else "cpu"
