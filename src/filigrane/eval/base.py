"""What is evaluated and on what: samples, benchmarks, scorers, and what a long run tells while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import parse_qsl

from filigrane.core import plugins
from filigrane.core.errors import LimitExceeded, UnreadableInput, UsageError
from filigrane.core.image import Limits, read_file
from filigrane.core.values import Pixels
from filigrane.eval.metrics import Float

BENCHMARKS = "filigrane.eval.benchmarks"
SCORERS = "filigrane.eval.scorers"

SCALES = ("llr", "probability", "score")
"""What a scorer's numbers are: nats above 0 for AI, probabilities of AI, or scores with no meaning but their order."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of a benchmark, not yet read: a whole file, a span of one (``offset``, size), or bytes in hand.

    ``label`` is 1 for AI, 0 for real; samples of one ``group`` (a video, a source image, a prompt) belong together;
    ``kind`` says what sort of picture it is.
    """

    id: str
    label: int
    path: Path
    generator: str = ""
    kind: str = ""
    group: str = ""
    span: tuple[int, int] | None = None
    data: bytes | None = None

    def read(self, limits: Limits) -> bytes:
        """The exact bytes of the picture; raises UnreadableInput or LimitExceeded."""
        if self.data is not None:
            return self.data
        if self.span is None:
            return read_file(self.path, limits)
        offset, size = self.span
        if size > limits.max_bytes:
            raise LimitExceeded(f"{self.id} has {size:,} bytes; the limit is {limits.max_bytes:,}.")
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            raise UnreadableInput(f"{self.path} can't be read ({error}).") from error


@dataclass(frozen=True, slots=True)
class Fault:
    """Something about a benchmark that is not as its layout says, in words; the run goes on without it."""

    where: str
    explanation: str


Tell = Callable[[Fault], None]


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a benchmark: ``layout`` as published, licence, and where to get it."""

    title: str
    layout: str
    licence: str
    source: str


class Benchmark(Protocol):
    """Pictures with labels, read from disk in the layout in which they are published."""

    name: str
    about: About

    def samples(self, split: str, tell: Tell) -> Iterator[Sample]:
        """The samples of ``split`` (all where it is empty), in a stable order, streamed; faults are told."""
        ...


@runtime_checkable
class Counted(Protocol):
    """A benchmark that knows how many samples it has without a look at them."""

    def count(self, split: str) -> int | None:
        """How many there are in ``split``, unusable ones among them; None where it can't be told."""
        ...


class Scorer(Protocol):
    """Anything that gives pictures a number that is higher for AI.

    ``hash`` changes whenever its answers might; ``scale`` is one of SCALES; ``threshold`` is the frozen one, on that
    scale, above which it says AI (None where it has none).
    """

    name: str
    hash: str
    scale: str
    threshold: float | None

    def score(self, pictures: Sequence[Pixels]) -> Float:
        """One number for each picture (uint8 (H, W, 3), sizes may differ): float64 (N,)."""
        ...


def benchmark(name: str, root: Path) -> Benchmark:
    """The benchmark of layout ``name`` that lies at ``root``; raises NotFound with the known names, UsageError."""
    found: Benchmark = plugins.load(BENCHMARKS, name, root=root)
    if not root.exists():
        raise UsageError(f"There is no {root}; give the folder that holds: {found.about.layout}")
    return found


def ignore(fault: Fault) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long run is: ``done`` of ``total`` pieces (None where unknown), ``cached`` of them for free."""

    done: int
    total: int | None
    cached: int
    elapsed_s: float

    @property
    def remaining_s(self) -> float | None:
        """Estimated seconds to go, from the pieces that had to be computed."""
        computed = self.done - self.cached
        if self.total is None or computed <= 0:
            return None
        return max(0.0, self.elapsed_s / computed * (self.total - self.done))


def scorer(spec: str) -> Scorer:
    """The scorer that ``spec`` names as ``kind:target#option=value&option=value``; an address is its own kind.

    Raises NotFound with the known kinds, UsageError for options that the kind does not have.
    """
    kind, _, rest = spec.partition(":")
    target, _, text = rest.rpartition("#") if "#" in rest else (rest, "", "")
    options = dict(parse_qsl(text, keep_blank_values=True))
    if kind in ("http", "https"):
        kind, target = "http", f"{kind}:{target}"
    try:
        found: Scorer = plugins.load(SCORERS, kind, target=target, **options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"The detector {spec!r} can't be made ({error}); check its options.") from error
    return found
