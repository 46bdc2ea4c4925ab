"""Use cases: train the detector from a configuration, and set its threshold anew on a user's own photographs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from filigrane.app.inputs import Item, expand
from filigrane.core import plugins
from filigrane.core.errors import FiligraneError, UsageError
from filigrane.core.image import decode
from filigrane.core.parallel import GuardedPool
from filigrane.core.settings import Settings
from filigrane.core.values import Pixels
from filigrane.core.weights import Card, find_card
from filigrane.detector import calibrate, corpus, judge, models, pairs, sources, train
from filigrane.detector.calibrate import OWN_CALIBRATION
from filigrane.detector.evidence.classifier import WEIGHTS
from filigrane.perturb.base import ATTACKS, Attack

Say = Callable[[str], None]


def train_detector(config: Path, say: Say) -> tuple[Card, ...]:
    """Train as the TOML file ``config`` says; every line said is kept in ``train.log`` of its work folder.

    Raises UsageError for a configuration or corpus that can't be used, MissingExtra without torch or scikit-learn.
    """
    wanted = train.read_config(config)
    return train.run(wanted, train.log_to(Path(wanted.work) / "train.log", say))


def rebuild_sources(listing: Path, clones: Path, folder: Path, say: Say) -> int:
    """Cut the pictures that ``listing`` names out of clones of their repositories; how many were made."""
    return sources.rebuild(listing, clones, folder, say)


def make_pairs(root: Path, folder: Path, autoencoder: Path | None, *, seed: int = 0) -> int:
    """Write a corpus ``folder`` of the real pictures of ``root``, redrawn by an autoencoder; how many were made.

    ``autoencoder`` is a folder of diffusers, by default the one among the weights. Raises UsageError where ``root`` is
    no corpus, MissingExtra, NotFound or UnreadableInput without an autoencoder.
    """
    regenerate: Attack = plugins.load(ATTACKS, "regenerate", path=autoencoder)
    return pairs.write_pairs(corpus.entries(root), regenerate, folder, np.random.default_rng(seed))


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
