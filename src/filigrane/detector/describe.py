"""One pass over a corpus: each picture is delivered, cut and described in numbers, kept on disk in chunks.

A pass that was stopped goes on where it was. Random deliveries, one crop each, are for learning; the fixed ones, looked
at as `judge` looks at a picture, are for calibrating.
"""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filigrane.core.values import Pixels, sha256_hex
from filigrane.core.weights import Tensors
from filigrane.detector import corpus, judge
from filigrane.detector.condition import detail
from filigrane.detector.corpus import Entry
from filigrane.detector.delivery import CROP_PX, delivered, deliveries
from filigrane.detector.models import Learner

Floats = NDArray[np.float32]
Say = Callable[[str], None]
RANDOM = "random"
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """How pictures are looked at: ``turns`` random deliveries of each, the fixed ones of ``fixed`` of each source."""

    turns: int
    fixed: int
    seed: int


@dataclass(frozen=True, slots=True)
class Described:
    """Rows of numbers: ``features`` (N, D), ``entry`` (N,) the picture, ``delivery`` (N,) how it was delivered.

    ``detail`` (N,) is what `condition.detail` says of the delivered picture, NaN for random deliveries. Rows of one
    picture and delivery are its crops, or one row for all where the model may average them.
    """

    features: Floats
    entry: NDArray[np.int64]
    delivery: NDArray[np.str_]
    detail: NDArray[np.float32]

    def select(self, mask: NDArray[np.bool_]) -> Described:
        """The rows where ``mask`` (N,) holds."""
        return Described(self.features[mask], self.entry[mask], self.delivery[mask], self.detail[mask])


def described(learner: Learner, entries: Sequence[Entry], plan: Plan, folder: Path, say: Say) -> Described:
    """Every entry as ``learner`` describes it, from chunks in ``folder`` where they are there already."""
    chosen = _fixed(entries, plan)
    parts = []
    for start in range(0, len(entries), _CHUNK):
        places = range(start, min(start + _CHUNK, len(entries)))
        part = {entries[place]: place for place in places}
        path = folder / f"{learner.name}-{_fingerprint(learner, part, chosen, plan)}.npz"
        if not path.is_file():
            rows = _look(learner, part, chosen, plan)
            folder.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".part").open("wb") as stream:
                np.savez(
                    stream,
                    features=rows.features,
                    entry=rows.entry - start,
                    delivery=rows.delivery,
                    detail=rows.detail,
                )
            path.with_suffix(".part").replace(path)
            say(f"{learner.name}: {places.stop} of {len(entries)} pictures")
        with np.load(path, allow_pickle=False) as stored:
            entry, delivery, detail_ = (stored[name] for name in ("entry", "delivery", "detail"))
            parts.append(Described(stored["features"], entry + start, delivery, detail_))
    return Described(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.entry for part in parts]),
        np.concatenate([part.delivery for part in parts]),
        np.concatenate([part.detail for part in parts]),
    )


def _fixed(entries: Sequence[Entry], plan: Plan) -> frozenset[Entry]:
    """At most ``plan.fixed`` pictures of each source, the same ones in every run."""
    taken: Counter[tuple[int, str]] = Counter()
    chosen = []
    for entry in sorted(entries, key=lambda one: zlib.crc32(one.file.encode())):
        taken[entry.label, entry.group] += 1
        if taken[entry.label, entry.group] <= plan.fixed:
            chosen.append(entry)
    return frozenset(chosen)


def _fingerprint(learner: Learner, part: Iterable[Entry], chosen: frozenset[Entry], plan: Plan) -> str:
    """A name that changes with whatever changes the numbers."""
    seen = [(entry.shard, entry.file, corpus.stamp(entry), entry.long_side_px, entry in chosen) for entry in part]
    how = (plan.turns, plan.seed, learner.hash, CROP_PX, judge.CROPS)
    return sha256_hex(json.dumps([seen, how]).encode())[:16]


def _look(learner: Learner, places: dict[Entry, int], chosen: frozenset[Entry], plan: Plan) -> Described:
    features: list[Floats] = []
    rows: list[tuple[int, str, float]] = []
    for entry, pixels in corpus.stream(places):
        for name, made in _made(entry, pixels, plan, fixed=entry in chosen):
            crops = made[None] if name == RANDOM else judge.grid(*made.shape[1::-1], size_px=CROP_PX).crops(made)
            found = learner.describe(crops)
            if learner.averages:
                found = found.mean(axis=0, keepdims=True)
            features.append(found)
            rows += [(places[entry], name, math.nan if name == RANDOM else detail(made))] * len(found)
    return Described(
        np.concatenate(features) if features else np.zeros((0, learner.numbers), np.float32),
        np.array([place for place, _, _ in rows], np.int64),
        np.array([name for _, name, _ in rows], np.str_),
        np.array([left for _, _, left in rows], np.float32),
    )


def _made(entry: Entry, pixels: Pixels, plan: Plan, *, fixed: bool) -> Iterator[tuple[str, Pixels]]:
    """One picture under each delivery; nothing of a picture that is too small to be judged."""
    if min(pixels.shape[:2]) < judge.SMALLEST_PX:
        return
    for turn in range(plan.turns):
        yield RANDOM, delivered(pixels, np.random.default_rng([zlib.crc32(entry.file.encode()), plan.seed + turn]))
    if fixed:
        yield from deliveries(pixels, entry.long_side_px)


def learned(learner: Learner, rows: Described, entries: Sequence[Entry], seed: int) -> Tensors:
    """What ``learner`` makes of ``rows`` of ``entries``, each weighing as `corpus.weights` says."""
    seen = [entries[place] for place in rows.entry]
    labels = np.array([entry.label for entry in seen], np.int8)
    return learner.learn(rows.features, labels, corpus.weights(seen), np.random.default_rng(seed))
