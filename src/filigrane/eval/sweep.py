"""A detector over a benchmark under every delivery: streamed, cached, killable at any time and resumed where it was."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from filigrane.core.errors import FiligraneError
from filigrane.core.image import Limits, decode
from filigrane.core.values import Picture, Pixels, sha256_hex
from filigrane.eval.base import Benchmark, Counted, Fault, Progress, Sample, Scorer, Tell, ignore
from filigrane.eval.cache import Cache, Entry
from filigrane.eval.honesty import Known
from filigrane.eval.scores import Scored, Scores
from filigrane.eval.traits import SUBJECT, Traits, traits
from filigrane.perturb.table import Attacked, attacks_hash

Watch = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to score: the ``split`` (empty: all), the ``deliveries`` (rows of the attack table), and how much of it.

    ``limit`` caps the pictures of each generator and of each kind of real picture; 0 takes all.
    """

    deliveries: tuple[Attacked, ...]
    split: str = ""
    limit: int = 0
    batch: int = 16
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Swept:
    """What came of it: scores of the pictures that could be read, and what is known of each for the honesty checks."""

    scores: Scores
    known: tuple[Known, ...]


@dataclass(frozen=True, slots=True)
class _Work:
    sha256: str
    delivery: str
    pixels: Pixels
    id: str


class Sweep:
    """One run of ``scorer`` over ``benchmark``; `run` may be called again after any interruption."""

    def __init__(self, benchmark: Benchmark, scorer: Scorer, plan: Plan, cache: Cache) -> None:
        self._benchmark, self._scorer, self._plan, self._cache = benchmark, scorer, plan, cache
        self._subject = f"{scorer.hash} under attacks {attacks_hash()}"

    def run(self, tell: Tell, watch: Watch) -> Swept:
        """All scores, those in the cache for free; pictures that can't be read or scored are told and left out."""
        seen: list[tuple[Sample, str]] = []
        work = self._work(seen, tell, watch)
        while batch := list(islice(work, self._plan.batch)):
            self._score(batch, tell)
        return self._collect(seen)

    def _work(self, seen: list[tuple[Sample, str]], tell: Tell, watch: Watch) -> Iterator[_Work]:
        """What is left to score, each picture made when its turn comes; samples go to ``seen`` with their SHA-256."""
        started, cached, total = time.monotonic(), 0, None if self._plan.limit else self._count()
        for sample, data in read(self._benchmark, self._plan, tell):
            sha256 = sha256_hex(data)
            seen.append((replace(sample, data=None), sha256))
            missing = self._missing(sha256)
            if missing is None:
                cached += 1
            else:
                yield from self._made(sample, data, missing, tell)
            watch(Progress(len(seen), total, cached, time.monotonic() - started))

    def _count(self) -> int:
        if isinstance(self._benchmark, Counted) and (count := self._benchmark.count(self._plan.split)) is not None:
            return count
        return sum(1 for _ in self._benchmark.samples(self._plan.split, ignore))

    def _missing(self, sha256: str) -> list[Attacked] | None:
        """The deliveries of a picture that are not in the cache; None where nothing at all is missing."""
        have = self._cache.find(sha256, self._subject)
        missing = [delivery for delivery in self._plan.deliveries if delivery.name not in have]
        return missing if missing or not self._cache.find(sha256, SUBJECT) else None

    def _made(self, sample: Sample, data: bytes, missing: list[Attacked], tell: Tell) -> Iterator[_Work]:
        """The picture under each delivery; its traits are kept by the way."""
        try:
            picture = decode(data, origin=sample.id, limits=self._plan.limits)
        except FiligraneError as error:
            tell(Fault(sample.id, str(error)))
            return
        self._cache.add([trait_entry(picture)])
        number = int(picture.sha256[:8], 16)
        for delivery in missing:
            yield _Work(picture.sha256, delivery.name, delivery.apply(picture.pixels, number), sample.id)

    def _score(self, work: list[_Work], tell: Tell) -> None:
        """Score a batch and keep it; where the batch fails, each picture by itself, failures being told."""
        try:
            scores = self._scorer.score([item.pixels for item in work])
        except FiligraneError as error:
            if len(work) > 1:
                for item in work:
                    self._score([item], tell)
            else:
                tell(Fault(f"{work[0].id} ({work[0].delivery})", str(error)))
            return
        entries: list[Entry] = []
        for item, score in zip(work, scores.tolist(), strict=True):
            if math.isfinite(score):
                entries.append((item.sha256, self._subject, item.delivery, score))
            else:
                tell(Fault(f"{item.id} ({item.delivery})", f"the detector answered {score}, which is no score"))
        self._cache.add(entries)

    def _collect(self, seen: list[tuple[Sample, str]]) -> Swept:
        wanted = [delivery.name for delivery in self._plan.deliveries]
        rows: list[Scored] = []
        known: list[Known] = []
        for sample, sha256 in seen:
            found = self._cache.find(sha256, self._subject)
            place = (sample.generator, sample.kind, sample.group)
            rows += [Scored(sample.id, sha256, sample.label, found[d], *place, d) for d in wanted if d in found]
            if (kept := self._cache.find(sha256, SUBJECT)) and any(d in found for d in wanted):
                known.append(Known(sample.id, sha256, sample.label, Traits.from_json(kept[""])))
        return Swept(Scores.of(rows), tuple(known))


def trait_entry(picture: Picture) -> Entry:
    """The traits of ``picture`` as the cache keeps them."""
    return picture.sha256, SUBJECT, "", traits(picture).to_json()


def read(benchmark: Benchmark, plan: Plan, tell: Tell) -> Iterator[tuple[Sample, bytes]]:
    """The samples of the plan with their bytes; those that can't be read are told."""
    taken: Counter[tuple[int, str]] = Counter()
    for sample in benchmark.samples(plan.split, tell):
        place = (sample.label, sample.generator or sample.kind)
        if plan.limit and taken[place] >= plan.limit:
            continue
        try:
            data = sample.read(plan.limits)
        except FiligraneError as error:
            tell(Fault(sample.id, str(error)))
            continue
        taken[place] += 1
        yield sample, data


def look_at(benchmark: Benchmark, plan: Plan, cache: Cache, tell: Tell) -> tuple[Known, ...]:
    """What the search for duplicates needs of every picture, from the cache where known; unreadable ones are told."""
    known = []
    for sample, data in read(benchmark, plan, tell):
        sha256 = sha256_hex(data)
        kept = cache.find(sha256, SUBJECT)
        if not kept:
            try:
                entry = trait_entry(decode(data, origin=sample.id, limits=plan.limits))
            except FiligraneError as error:
                tell(Fault(sample.id, str(error)))
                continue
            cache.add([entry])
            kept = {"": entry[3]}
        known.append(Known(sample.id, sha256, sample.label, Traits.from_json(kept[""])))
    return tuple(known)
