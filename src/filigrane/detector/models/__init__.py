"""Detectors: one file each, found by name; each has ``build(*, card)`` and scores crops of pixels.

``patches`` ships and decides; ``spectral`` ships and says which kinds of traces speak, ``selves`` is a model of real
pictures only; ``timm`` and ``onnx`` bring any network that a user has through the same protocol. Those that are
trained here have ``learner(**options)`` beside ``build``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from filigrane.core import plugins
from filigrane.core.errors import MissingExtra, UsageError
from filigrane.core.values import Json, Pixels
from filigrane.core.weights import Card, Tensors
from filigrane.detector.models._feed import twin_of

FOLDER = "filigrane.detector.models"


class Detector(Protocol):
    """Something that gives crops of pictures a number which is higher for AI.

    ``size_px`` is the side of the crops it wants at most; ``hash`` changes whenever its answers might.
    """

    name: str
    hash: str
    size_px: int

    def llr(self, batch: Pixels) -> NDArray[np.float64]:
        """Log-odds of AI, before calibration, of crops uint8 (N, H, W, 3): float64 (N,)."""
        ...


@runtime_checkable
class Exportable(Protocol):
    """A detector whose network can leave for other runtimes."""

    def export_onnx(self, target: Path) -> None:
        """Write the network: crops float32 (N, 3, H, W) in [0, 1] to log-odds of AI (N,); MissingExtra without onnx."""
        ...


@runtime_checkable
class Attributing(Protocol):
    """A detector that also tells the families of generators apart; ``families`` is empty where it can't."""

    families: tuple[str, ...]

    def family_odds(self, batch: Pixels) -> NDArray[np.float64]:
        """Log-odds of each family, of crops uint8 (N, H, W, 3): float64 (N, families)."""
        ...


@runtime_checkable
class Explaining(Protocol):
    """A detector whose numbers mean something by themselves."""

    size_px: int

    def traces(self, crop: Pixels) -> Mapping[str, float]:
        """For each kind of trace, how many nats it adds in a crop uint8 (H, W, 3) over a typical real picture."""
        ...


class Learner(Protocol):
    """How an architecture is trained: crops become numbers once, and the numbers are fitted many times.

    ``averages`` says whether the numbers of several crops may be averaged in place of their scores; ``numbers`` is how
    many there are; ``hash`` changes whenever they might.
    """

    name: str
    hash: str
    numbers: int
    averages: bool

    def describe(self, crops: Pixels) -> NDArray[np.floating[Any]]:
        """What the fit sees of crops uint8 (N, H, W, 3): (N, numbers)."""
        ...

    def learn(
        self,
        features: NDArray[np.floating[Any]],
        labels: NDArray[np.int8],
        weights: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> Tensors:
        """What was fitted to rows (N, numbers) with labels (1 is AI) and weights."""
        ...

    def score(self, features: NDArray[np.floating[Any]], tensors: Tensors) -> NDArray[np.float64]:
        """Log-odds of AI (N,) that the fit gives to rows (N, numbers)."""
        ...

    def save(self, card: Card, tensors: Tensors, folder: Path) -> Card:
        """Write the whole model and its card, which comes back with the SHA-256."""
        ...


def names() -> tuple[str, ...]:
    """Names of all architectures."""
    return plugins.names(FOLDER)


def load(card: Card) -> Detector:
    """The detector that ``card`` describes, with its weights; NotFound, MissingExtra or UnreadableInput otherwise."""
    try:
        detector: Detector = plugins.load(FOLDER, card.architecture, card=card)
    except ImportError as error:
        raise MissingExtra(f"The detector {card.name}", "evaluate") from error
    return detector


def parts(card: Card) -> tuple[Card, ...]:
    """``card`` and, where it says that its weights also lie beside them as an ONNX network, the card of that."""
    twin = twin_of(card)
    return (card,) if twin is None else (card, twin)


def learner(name: str, **options: Json) -> Learner:
    """What trains the architecture ``name``; UsageError where it can't be trained here or an option is unknown.

    Raises MissingExtra where a library for training is not installed.
    """
    if name not in names():
        raise UsageError(f"There is no model {name!r} to train; known are: {', '.join(names())}.")
    try:
        import_module("sklearn")
        made: Learner = import_module(f"{FOLDER}.{name}").learner(**options)
    except ImportError as error:
        raise MissingExtra("Training the detector", "evaluate") from error
    except (AttributeError, TypeError) as error:
        raise UsageError(f"The model {name!r} can't be trained with {options} ({error}).") from error
    return made
