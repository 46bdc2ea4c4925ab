"""Crops as the input of a network with one fixed size, and its outputs as one number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import UnreadableInput
from filigrane.core.values import Pixels
from filigrane.core.weights import Card
from filigrane.perturb.base import resized


def fed(batch: Pixels, card: Card) -> NDArray[np.float32]:
    """uint8 (N, H, W, 3) as float32 (N, 3, size_px, size_px), normalised by the card.

    Other sizes are resampled, unless the card's ``about.any_size`` is true.
    """
    side = card.size_px
    if not card.about.get("any_size"):
        batch = np.stack([crop if crop.shape[:2] == (side, side) else resized(crop, side, side) for crop in batch])
    mean, spread = (np.array(values, np.float32) for values in (card.mean, card.std))
    scaled = (batch.astype(np.float32) / 255 - mean) / spread
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def log_odds(outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """One logit (N,) or (N, 1) as it is, two (real, AI) as their difference: float64 (N,).

    >>> log_odds(np.float32([[1, 3]])).tolist()
    [2.0]
    """
    columns = outputs.astype(np.float64).reshape(len(outputs), -1)
    if columns.shape[1] > 2:
        raise UnreadableInput(f"The network has {columns.shape[1]} outputs; a detector has one or two (real, AI).")
    return np.asarray(columns[:, 0] if columns.shape[1] == 1 else columns[:, 1] - columns[:, 0])


def families_of(card: Card) -> tuple[str, ...]:
    """The families of generators that the network of ``card`` tells apart; none where the card names none."""
    said = card.about.get("families")
    named = said.get("families") if isinstance(said, dict) else None
    return tuple(map(str, named)) if isinstance(named, list) else ()


def twin_of(card: Card) -> Card | None:
    """The card of the ONNX file that ``card`` says lies beside its weights; None where it names none."""
    twin = card.about.get("onnx")
    if not isinstance(twin, dict):
        return None
    return replace(
        card,
        file=Path(str(twin.get("file"))).name,
        sha256=str(twin.get("sha256")),
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        about={"any_size": True, "families": card.about.get("families")},
    )
