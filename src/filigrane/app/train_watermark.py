"""Use case: train the learned receiver of the watermark, and write its weights with their card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filigrane.core.errors import MissingExtra, UsageError
from filigrane.core.weights import Card


@dataclass(frozen=True, slots=True)
class ReceiverTraining:
    """What to train on, and for how long.

    ``corpus`` is a folder of tar shards, with manifest.csv where there is one, or of pictures; ``work`` keeps the
    checkpoint that a later run goes on from; ``out`` gets the weights: a folder that $FILIGRANE_WEIGHTS names is where
    they are found. ``budget_s`` counts the time of all runs; ``licence`` is the one the weights are given.
    """

    corpus: Path
    work: Path
    out: Path
    budget_s: float = 3600.0
    threads: int = 1
    seed: int = 0
    licence: str = "unstated"


def train_receiver(request: ReceiverTraining, tell: Callable[[str], None]) -> Card:
    """Train, go on or only export, as the time left allows.

    Raises MissingExtra without torch, UsageError where there are no pictures or the checkpoint is another's.
    """
    if not request.corpus.is_dir():
        raise UsageError(f"{request.corpus} is no folder; give one with tar shards or pictures.")
    if request.budget_s <= 0 or request.threads < 1:
        raise UsageError("Training needs a time above zero and at least one thread.")
    try:
        import torch

        from filigrane.watermark.train import Plan, Training, export
    except ImportError as error:
        raise MissingExtra("Training the receiver of the watermark", "generate") from error
    torch.set_num_threads(request.threads)
    training = Training(request.corpus, request.work, Plan(request.budget_s, seed=request.seed))
    training.go(tell)
    return export(training, request.out, licence=request.licence, trained_on=request.corpus.name)
