"""Train the detectors: describe many delivered crops once, fit, calibrate, write weights and cards.

The trunks stay as ImageNet left them; what is learned is a head, so a run is a pass over the pictures and a fit. For
calibration a model is fitted again without each fold of sources, and every picture is scored by the one that never saw
its source.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filigrane.core.values import Json
from filigrane.core.weights import Card, Tensors
from filigrane.detector import attribution, calibrate, corpus, models
from filigrane.detector.config import Config, of_model
from filigrane.detector.corpus import Entry
from filigrane.detector.delivery import CROP_PX
from filigrane.detector.describe import RANDOM, Described, Plan, Say, described, learned
from filigrane.detector.models import Learner
from filigrane.detector.models.patches import PatchesLearner


def run(config: Config, say: Say) -> tuple[Card, ...]:
    """Train as ``config`` says and write weights and cards; ``say`` hears how it goes.

    The model ``patches`` is written under ``config.name``, each other one under that name and its own.
    Raises UsageError for a corpus that can't be read, MissingExtra without the libraries for training.
    """
    entries = tuple(entry for root in config.corpora for entry in corpus.entries(Path(root)))
    say(f"{len(entries)} pictures of {len({entry.group for entry in entries})} sources")
    return tuple(_trained(name, entries, config, say) for name in config.models)


def _trained(architecture: str, entries: Sequence[Entry], config: Config, say: Say) -> Card:
    config, options = of_model(config, architecture)
    plan = Plan(config.deliveries, config.fixed_per_source, config.seed)
    learner = models.learner(architecture, **options)
    started = time.monotonic()
    rows = described(learner, entries, plan, Path(config.work), say)
    tensors, held = fitted(learner, rows, entries, config, say)
    calibration = _calibrated(held, entries, config)
    for delivery in np.unique(held.delivery):
        part = held.delivery == delivery
        seen = [entries[index] for index in held.entry[part]]
        area = auc(np.array([entry.label for entry in seen], np.int8), held.score[part], corpus.weights(seen))
        say(f"{learner.name}: {delivery}: AUC {area:.4f} on {part.sum()} pictures, sources held out")
    about: dict[str, Json] = dict(config.about)
    if isinstance(learner, PatchesLearner):
        if config.tuning is not None:
            about["tuning"] = asdict(config.tuning)
            rows.features[:, learner.columns(config.tuning.trunk)] = 0  # they are of the trunk before it was tuned
        fold = folds(entries, config.folds, np.random.default_rng(config.seed))
        told = attribution.fitted(rows, entries, fold, regularisation=learner.regularisation)
        if told is not None:
            tensors |= {"families.weight": told.weight, "families.bias": told.bias}
            about["families"] = told.to_json()
            say(f"families {', '.join(told.families)}: {told.named:.0%} named, {told.accuracy:.0%} of them right")
    name = config.name if learner.name == "patches" else f"{config.name}-{learner.name}"
    card = Card(
        name=name,
        architecture=learner.name,
        file=f"{name}.safetensors",
        sha256="",
        size_px=CROP_PX,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        licence=config.licence,
        seed=config.seed,
        calibration=calibration.to_json(),
        trained_on=_trained_on(entries),
        about=about,
    )
    written = learner.save(card, tensors, Path(config.output))
    say(f"wrote {written.path} after {time.monotonic() - started:.0f} s")
    return written


@dataclass(frozen=True, slots=True)
class Held:
    """Scores (N,) of pictures under deliveries, each by a model that never saw the picture's source."""

    score: NDArray[np.float64]
    entry: NDArray[np.int64]
    delivery: NDArray[np.str_]
    detail: NDArray[np.float32]


def fitted(
    learner: Learner, rows: Described, entries: Sequence[Entry], config: Config, say: Say
) -> tuple[Tensors, Held]:
    """The model fitted on the random deliveries of all entries, and held-out scores of the fixed ones."""
    fixed = rows.delivery != RANDOM
    if config.tuning is not None and isinstance(learner, PatchesLearner):
        from filigrane.detector import tune

        fold = folds(entries, config.folds, np.random.default_rng(config.seed))
        material = tune.Material(rows, entries, fold, config.seed)
        tensors, score = tune.fitted(learner, material, config.tuning, Path(config.work), say)
    else:
        tensors, score = _crossed(learner, rows, entries, config, say)
    return tensors, _pooled(score[fixed], rows.select(fixed))


def _crossed(
    learner: Learner, rows: Described, entries: Sequence[Entry], config: Config, say: Say
) -> tuple[Tensors, NDArray[np.float64]]:
    """The model fitted on all random deliveries, and scores (N rows,) by models that never saw the picture's fold."""
    label = np.array([entry.label for entry in entries], np.int8)
    fold = folds(entries, config.folds, np.random.default_rng(config.seed))
    learns = rows.delivery == RANDOM
    score = np.zeros(len(rows.entry))
    for number in range(config.folds):
        out = fold[rows.entry] == number
        tensors = learned(learner, rows.select(learns & ~out), entries, config.seed)
        score[out] = learner.score(rows.features[out], tensors)
        weights = corpus.weights([entries[index] for index in rows.entry[out & learns]])
        area = auc(label[rows.entry[out & learns]], score[out & learns], weights)
        say(f"{learner.name}: fold {number + 1}: AUC {area:.4f} on {(out & learns).sum()} crops")
    return learned(learner, rows.select(learns), entries, config.seed), score


def _pooled(score: NDArray[np.float64], rows: Described) -> Held:
    """One score for each picture and delivery: the mean over its crops."""
    keys = np.stack([rows.entry.astype(np.str_), rows.delivery], axis=1)
    _, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    place = place.ravel()
    mean = np.bincount(place, score) / np.bincount(place)
    return Held(mean, rows.entry[first], rows.delivery[first], rows.detail[first])


def folds(entries: Sequence[Entry], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which of ``count`` folds each entry is in, all of one group in the same: int (N,)."""
    groups = sorted({entry.group for entry in entries})
    fold_of = dict(zip(rng.permutation(groups).tolist(), np.arange(len(groups)) % count, strict=True))
    return np.array([fold_of[entry.group] for entry in entries], np.int64)


def auc(labels: NDArray[np.int8], scores: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The weighted area under the ROC curve."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores, sample_weight=weights))


def _calibrated(held: Held, entries: Sequence[Entry], config: Config) -> calibrate.Calibration:
    seen = [entries[index] for index in held.entry]
    labels = np.array([entry.label for entry in seen], np.int8)
    return calibrate.fitted(
        calibrate.Sample(held.score, held.detail.astype(np.float64), labels, corpus.weights(seen), held.delivery),
        false_positive_rate=config.false_positive_rate,
        data=f"{len(set(held.entry.tolist()))} pictures of {len({entry.group for entry in seen})} sources under each "
        "fixed delivery, scored by a model that never saw their source",
    )


def _trained_on(entries: Sequence[Entry]) -> dict[str, Json]:
    """How many pictures of what, from where and under which licences."""
    said: dict[str, Json] = {}
    for label, word in ((0, "real"), (1, "ai")):
        chosen = [entry for entry in entries if entry.label == label]
        said[word] = {"pictures": len(chosen), "sources": len({entry.group for entry in chosen})}
        said[f"{word}_kinds"] = dict(Counter(entry.kind or "unnamed" for entry in chosen).most_common())
    said["licences"] = dict(Counter(entry.licence or "none stated" for entry in entries).most_common())
    said["sources"] = sorted({entry.group for entry in entries})
    return said


def log_to(path: Path, say: Say) -> Say:
    """``say``, which also adds each line with its time to the log at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def both(line: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{stamp} {line}\n")
        say(line)

    return both
