"""Soft fine-tuning of one trunk: its later stages go on learning, slowly, under the head that was fitted on it frozen.

There is one network for each fold, which never sees the sources of its fold and scores them for the calibration, and
one for all sources, which ships.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from filigrane.core.errors import UsageError
from filigrane.core.values import Pixels, sha256_hex
from filigrane.core.weights import Tensors
from filigrane.detector import corpus, judge
from filigrane.detector.config import Tuning
from filigrane.detector.corpus import Entry
from filigrane.detector.delivery import CROP_PX, delivered, deliveries
from filigrane.detector.describe import RANDOM, Described, Say, learned
from filigrane.detector.models._trunk import PatchNet, to_tensor
from filigrane.detector.models.patches import PatchesLearner
from filigrane.generator.train.loop import Plan, Run

KEPT_STAGES = 2
"""Stages after the stem that stay as ImageNet left them: they hold few of the traces and most of the work."""
_SOFTENED = 0.02
_TURNED = 0.3


class Pictures:
    """The pictures of a corpus by the place of their entry, decoded once into one file of ``folder`` and mapped."""

    def __init__(self, entries: Sequence[Entry], folder: Path, say: Say) -> None:
        """Decodes where the file is not there yet; raises UsageError where the corpus can't be read."""
        path = folder / f"pictures-{_print([_named(entry) for entry in entries])}.npy"
        pixels = path.with_suffix(".bin")
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            np.save(path, _decoded(entries, pixels))
            say(f"{pixels} holds the decoded pictures")
        self._at = {place: (start, height, width) for place, start, height, width in np.load(path).tolist()}
        self._pixels = np.memmap(pixels, np.uint8, "r")
        self.places = np.array(sorted(self._at), np.int64)

    def __getitem__(self, place: int) -> Pixels:
        start, height, width = self._at[place]
        return np.asarray(self._pixels[start : start + height * width * 3]).reshape(height, width, 3)


def _decoded(entries: Sequence[Entry], target: Path) -> NDArray[np.int64]:
    """Write all pictures that are large enough to be judged one behind the other: rows of place, start and size."""
    place_of = {entry: place for place, entry in enumerate(entries)}
    rows, start = [], 0
    with target.open("wb") as stream:
        for entry, pixels in corpus.stream(entries):
            if min(pixels.shape[:2]) >= judge.SMALLEST_PX:
                stream.write(np.ascontiguousarray(pixels).tobytes())
                rows.append((place_of[entry], start, *pixels.shape[:2]))
                start += pixels.size
    return np.array(rows, np.int64)


@dataclass(frozen=True, slots=True)
class Material:
    """What there is to learn from: ``rows`` that describe ``entries``, each of which is in a ``fold`` (N entries,)."""

    rows: Described
    entries: Sequence[Entry]
    fold: NDArray[np.int64]
    seed: int


def fitted(
    learner: PatchesLearner, material: Material, tuning: Tuning, folder: Path, say: Say
) -> tuple[Tensors, NDArray[np.float64]]:
    """The weights with one trunk tuned, and scores (N rows,) of the fixed deliveries by networks without their fold.

    The other trunks stay frozen, and their score is added. A run that was stopped goes on from what ``folder`` holds.
    Raises UsageError for a trunk or device that is not there.
    """
    _check_device(tuning.device)
    rows, entries = material.rows, material.entries
    pictures, own = Pictures(entries, folder, say), learner.columns(tuning.trunk)
    score = np.zeros(len(rows.entry))
    weight = np.zeros(learner.numbers, np.float32)
    folds = np.unique(material.fold).tolist()
    for number in (*folds, len(folds)):  # no picture is in the last one
        learns = rows.select((rows.delivery == RANDOM) & (material.fold[rows.entry] != number))
        parts = (replace(learns, features=learns.features[:, mask]) for mask in (own, ~own))
        head, rest = (learned(learner, part, entries, material.seed) for part in parts)
        seen = pictures.places[material.fold[pictures.places] != number]
        task = Task(entries, pictures, seen, head, material.seed + number)
        name = _print([learner.hash, asdict(tuning), task.seed, [_named(entries[place]) for place in seen]])
        network = tuned(learner.alone(tuning.trunk), task, tuning, folder / f"tuned-{name}")
        say(f"{learner.name}: {tuning.trunk} is tuned on {len(seen)} of {len(pictures.places)} pictures")
        out = np.flatnonzero((material.fold[rows.entry] == number) & (rows.delivery != RANDOM))
        score[out] = learner.score(rows.features[out][:, ~own], rest)
        for place in np.unique(rows.entry[out]).tolist():
            found = scores(network, pictures[place], entries[place].long_side_px)
            mine = out[rows.entry[out] == place]
            score[mine] += [found[name] for name in rows.delivery[mine].tolist()]
    weight[own], weight[~own] = head["weight"], rest["weight"]
    bias = head["bias"].astype(np.float32) + rest["bias"].astype(np.float32)
    trunk = {name: value.numpy() for name, value in network.state_dict().items() if name.startswith("trunks.")}
    return {**trunk, "weight": weight, "bias": bias}, score


@dataclass(frozen=True, slots=True)
class Task:
    """What one network learns from: the ``entries`` at the places ``seen``, under the frozen ``head``."""

    entries: Sequence[Entry]
    pictures: Pictures
    seen: NDArray[np.int64]
    head: Tensors
    seed: int


def tuned(network: PatchNet, task: Task, tuning: Tuning, folder: Path) -> PatchNet:
    """``network``, of one trunk, tuned on ``task`` and averaged over its way; goes on from what ``folder`` holds."""
    torch.manual_seed(task.seed)
    trunk: Any = network.trunks[tuning.trunk]
    network.requires_grad_(False)
    for stage in trunk.blocks[KEPT_STAGES:]:
        stage.requires_grad_(True)
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(task.head["weight"])[None])
        network.head.bias.copy_(torch.from_numpy(task.head["bias"]))
    network.eval()  # the statistics of batches would say which delivery they came by
    plan = Plan(
        tuning.budget_s,
        tuning.batch,
        tuning.learning_rate,
        seed=task.seed,
        average=0.99,
        weight_decay=0.02,
        half=tuning.device != "cpu",
        device=tuning.device,
    )
    run = Run(network, plan, folder)
    run.resume()
    weights = corpus.weights([task.entries[place] for place in task.seen])

    def loss(rng: np.random.Generator) -> torch.Tensor:
        crops, labels = _batch(task, weights, tuning, rng)
        with torch.autocast(torch.device(plan.device).type, torch.bfloat16, enabled=plan.half):
            odds = network(to_tensor(crops).to(plan.device))[0]
        wanted = torch.from_numpy(labels).to(plan.device) * (1 - 2 * _SOFTENED) + _SOFTENED
        return binary_cross_entropy_with_logits(odds.float(), wanted)

    run.go(loss, lambda: None)
    network.load_state_dict(run.average.state)
    return network.cpu()


def _batch(
    task: Task, weights: NDArray[np.float64], tuning: Tuning, rng: np.random.Generator
) -> tuple[Pixels, NDArray[np.float32]]:
    """Delivered crops of one size, some of them turned, and their labels; smaller ones are mirrored at their edges."""
    side = tuning.crop_px
    crops: list[Pixels] = []
    labels: list[int] = []
    while len(crops) < tuning.batch:
        place = int(rng.choice(task.seen, p=weights))
        crop = delivered(task.pictures[place], rng, size_px=side)
        missing = [side - length for length in crop.shape[:2]]
        if max(missing) * 2 > side - 4:
            continue
        crop = np.pad(crop, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")
        crops.append(np.rot90(crop, int(rng.integers(1, 4))) if rng.random() < _TURNED else crop)
        labels.append(task.entries[place].label)
    return np.stack(crops), np.array(labels, np.float32)


def scores(network: PatchNet, pixels: Pixels, long_side_px: int) -> dict[str, float]:
    """Log-odds of a picture under each fixed delivery: the mean over the crops that a scan would look at."""
    found = {}
    with torch.inference_mode():
        for name, made in deliveries(pixels, long_side_px):
            crops = judge.grid(*made.shape[1::-1], size_px=CROP_PX).crops(made)
            found[name] = float(network(to_tensor(crops))[0].double().mean())
    return found


def _check_device(name: str) -> None:
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"There is no device {name!r} to tune on here; give cpu or cuda.") from error


def _named(entry: Entry) -> tuple[str, str, tuple[int, int]]:
    return entry.shard, entry.file, corpus.stamp(entry)


def _print(said: object) -> str:
    """A name that changes with ``said``."""
    return sha256_hex(json.dumps(said).encode())[:16]
