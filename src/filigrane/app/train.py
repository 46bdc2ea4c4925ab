"""Use cases: train the detector and what it learns from, and set its threshold anew on a user's own photographs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from filigrane.app.inputs import Item, expand
from filigrane.core import plugins
from filigrane.core.errors import FiligraneError, MissingExtra, UsageError
from filigrane.core.image import decode
from filigrane.core.parallel import GuardedPool
from filigrane.core.settings import Settings
from filigrane.core.values import Pixels
from filigrane.core.weights import Card, find_card
from filigrane.detector import calibrate, corpus, judge, models, pairs, sources, train
from filigrane.detector.calibrate import OWN_CALIBRATION
from filigrane.detector.config import read_config
from filigrane.detector.evidence.classifier import WEIGHTS
from filigrane.perturb.base import ATTACKS, Attack

Say = Callable[[str], None]


def train_detector(config: Path, say: Say) -> tuple[Card, ...]:
    """Train as the TOML file ``config`` says; every line said is kept in ``train.log`` of its work folder.

    Raises UsageError for a configuration or corpus that can't be used, MissingExtra without torch or scikit-learn.
    """
    wanted = read_config(config)
    return train.run(wanted, train.log_to(Path(wanted.work) / "train.log", say))


def rebuild_sources(listing: Path, clones: Path, folder: Path, say: Say) -> int:
    """Cut the pictures that ``listing`` names out of clones of their repositories; how many were made."""
    return sources.rebuild(listing, clones, folder, say)


@dataclass(frozen=True, slots=True)
class AutoencoderTraining:
    """Which design to train on the real pictures of which corpora, and for how long.

    ``folder`` gets the autoencoder and the checkpoint that a later run goes on from; ``budget_s`` counts the time of
    all runs; ``device`` is auto, cpu or cuda.
    """

    design: str
    corpora: tuple[Path, ...]
    folder: Path
    budget_s: float = 480.0
    threads: int = 1
    device: str = "auto"
    seed: int = 7


def train_autoencoder(request: AutoencoderTraining) -> Path:
    """Train a small autoencoder for `make_pairs`, or go on with it; returns its folder.

    Raises UsageError for an unknown design or device, a corpus that is none or another design's checkpoint,
    MissingExtra without torch, timm or diffusers.
    """
    if request.budget_s <= 0 or request.threads < 1:
        raise UsageError("Training needs a time above zero and at least one thread.")
    try:
        import torch

        from filigrane.detector import autoencoder_training
        from filigrane.generator.train.loop import Plan
    except ImportError as error:
        raise MissingExtra("Training an autoencoder", "generate,evaluate") from error
    torch.set_num_threads(request.threads)
    cuda = torch.cuda.is_available()
    if request.device not in ("auto", "cpu", *(("cuda",) if cuda else ())):
        raise UsageError(f"There is no device {request.device!r} to train on here; give auto or cpu.")
    device = "cuda" if cuda and request.device != "cpu" else "cpu"
    plan = Plan(request.budget_s, 4, 1e-3, seed=request.seed, average=0.995, device=device)
    autoencoder_training.train(request.design, _entries(request.corpora), request.folder, plan)
    return request.folder


def make_pairs(
    corpora: Sequence[Path], folder: Path, autoencoder: Path | None, *, per_source: int = 3, seed: int = 0
) -> int:
    """Write a corpus ``folder`` of the real pictures of ``corpora``, redrawn by an autoencoder; how many were made.

    ``autoencoder`` is a folder of diffusers or of `train_autoencoder`, by default the one among the weights. Raises
    UsageError where a corpus is none, MissingExtra, NotFound or UnreadableInput without an autoencoder.
    """
    regenerate = _redrawing(autoencoder)
    rng = np.random.default_rng(seed)
    return pairs.write_pairs(_entries(corpora), regenerate, folder, rng, per_source=per_source)


def _redrawing(autoencoder: Path | None) -> Attack:
    if autoencoder is None or not (autoencoder / pairs.AUTOENCODER).is_file():
        regenerate: Attack = plugins.load(ATTACKS, "regenerate", path=autoencoder)
        return regenerate
    try:
        from filigrane.detector import autoencoders
    except ImportError as error:
        raise MissingExtra("Drawing pictures anew", "evaluate") from error
    return autoencoders.load(autoencoder)


def _entries(corpora: Sequence[Path]) -> list[corpus.Entry]:
    return [entry for root in corpora for entry in corpus.entries(root)]


def calibrate_detector(
    images: Sequence[str], settings: Settings, say: Say, *, false_positive_rate: float
) -> calibrate.Calibration:
    """Set the threshold on real pictures (files, folders, globs, archives) and keep it in the home folder.

    Raises UsageError where there are too few of them to show the rate, NotFound or MissingExtra without a detector.
    """
    card = find_card(WEIGHTS)
    detector = models.load(card)
    shipped = calibrate.of_card(card)
    scores = []
    for pixels in _decoded(images, settings, say):
        scores.append(judge.score(detector, shipped, pixels))
        if len(scores) % 100 == 0:
            say(f"{len(scores)} pictures")
    found = calibrate.moved(
        shipped,
        np.array(scores),
        false_positive_rate=false_positive_rate,
        data=f"{len(scores)} real pictures of the user's own",
    )
    calibrate.write(found, settings.home / OWN_CALIBRATION)
    return found


def reset_calibration(settings: Settings) -> bool:
    """Go back to the calibration that ships; False where no other was in force."""
    path = settings.home / OWN_CALIBRATION
    existed = path.is_file()
    path.unlink(missing_ok=True)
    return existed


def _decoded(images: Sequence[str], settings: Settings, say: Say) -> Iterator[Pixels]:
    """Pixels of each picture that is large enough; the others are told and left out."""
    items = list(expand(images, max_bytes=settings.max_bytes))
    if not items:
        raise UsageError("There are no pictures to calibrate on; name files or folders of real photographs.")
    with GuardedPool(1, settings.memory_bytes, settings.timeout_s) as pool:
        for item, outcome in pool.map(partial(_read, settings), items):
            if isinstance(outcome, FiligraneError):
                say(f"left out: {item.name}: {outcome}")
            elif min(outcome.shape[:2]) < judge.SMALLEST_PX:
                say(f"left out: {item.name} is smaller than {judge.SMALLEST_PX} px")
            else:
                yield outcome


def _read(settings: Settings, item: Item) -> Pixels:
    return decode(item.read(settings), limits=settings.limits).pixels
