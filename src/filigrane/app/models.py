"""Use cases: which weights are there, whether they are what their cards say, and how they leave for other runtimes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from filigrane.core.errors import FiligraneError, UsageError
from filigrane.core.weights import Card, find_card, names, verified_bytes
from filigrane.detector import models


@dataclass(frozen=True, slots=True)
class Listed:
    """One set of weights: its card, the size of its file, and what is wrong with it ("" where nothing is)."""

    card: Card
    size_bytes: int
    problem: str = ""


def list_models() -> tuple[Listed, ...]:
    """All weights that can be found, by name, unchecked; cards that can't be read are left out."""
    return tuple(_listed(card) for card in _cards())


def verify_models() -> tuple[Listed, ...]:
    """All weights that can be found, each compared with the SHA-256 in its card."""
    checked = []
    for card in _cards():
        try:
            checked.append(Listed(card, len(verified_bytes(card))))
        except FiligraneError as error:
            checked.append(Listed(card, 0, str(error)))
    return tuple(checked)


def show_model(name: str) -> Card:
    """The card called ``name``; NotFound with the known names."""
    return find_card(name)


def export_onnx(name: str, target: Path, *, force: bool = False) -> Path:
    """Write the detector ``name`` as an ONNX network: crops float32 (N, 3, H, W) in [0, 1] to log-odds of AI (N,).

    Raises UsageError where the target exists or the model has no network of its own, MissingExtra without onnx.
    """
    if target.exists() and not force:
        raise UsageError(f"{target} exists; choose another name or use --force.")
    detector = models.load(find_card(name))
    if not isinstance(detector, models.Exportable):
        raise UsageError(f"{name!r} is of the architecture {detector.name!r}, which can't be exported.")
    detector.export_onnx(target)
    return target


def _cards() -> tuple[Card, ...]:
    found = []
    for name in names():
        try:
            found.append(find_card(name))
        except FiligraneError:
            continue
    return tuple(found)


def _listed(card: Card) -> Listed:
    if not card.path.is_file():
        return Listed(card, 0, f"{card.path} is missing")
    return Listed(card, card.path.stat().st_size)
