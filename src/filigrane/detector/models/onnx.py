"""A network in an ONNX file as a detector, run by onnxruntime on the processor.

The card's file is the network; its one input takes crops float32 (N, 3, size_px, size_px) normalised as the card says,
or crops of any size where the card's ``about.any_size`` is true; its first output is the log-odds of AI, or two logits
(real, AI). ``filigrane models export`` writes such files.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import MissingExtra, UnreadableInput
from filigrane.core.files import write_atomically
from filigrane.core.values import Pixels
from filigrane.core.weights import Card, verified_bytes
from filigrane.detector.models._feed import families_of, fed, log_odds


class Onnx:
    """The network in the file of a card; ``name`` tells the architecture where it is another's network."""

    def __init__(self, card: Card, *, name: str = "onnx") -> None:
        """Raises MissingExtra without onnxruntime, UnreadableInput where the file is no network it can run."""
        self.name, self.hash, self.size_px, self._card = name, card.sha256[:16], card.size_px, card
        self.families = families_of(card)
        self._session = session(verified_bytes(card), str(card.path))
        self._input = self._session.get_inputs()[0].name

    def llr(self, batch: Pixels) -> NDArray[np.float64]:
        """Log-odds of AI of crops uint8 (N, H, W, 3): float64 (N,); UnreadableInput where the network fails."""
        return log_odds(self._run(batch, 0)) if len(batch) else np.zeros(0)

    def family_odds(self, batch: Pixels) -> NDArray[np.float64]:
        """Log-odds of each family of generators, of crops uint8 (N, H, W, 3): float64 (N, families)."""
        return self._run(batch, 1).astype(np.float64)

    def _run(self, batch: Pixels, output: int) -> NDArray[np.float32]:
        crops = fed(batch, self._card)
        try:
            # One by one: larger batches leave the cache of the processor and take three times as long.
            return np.concatenate([self._session.run(None, {self._input: crop[None]})[output] for crop in crops])
        except Exception as error:  # the runtime has no common base of its errors
            raise UnreadableInput(f"{self._card.path} failed on {len(batch)} crops ({error}).") from error

    def export_onnx(self, target: Path) -> None:
        """Write the network as it is."""
        write_atomically(target, verified_bytes(self._card))


def session(network: bytes, where: str) -> Any:
    """A session of onnxruntime with ``network``, which lies at ``where``; MissingExtra, UnreadableInput as above."""
    try:
        onnxruntime: Any = import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtra("ONNX networks", "evaluate") from error
    try:
        options = onnxruntime.SessionOptions()
        # Threads that spin while they wait take the processor from everything else that runs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has no common base of its errors
        raise UnreadableInput(f"{where} is no network that onnxruntime can run ({error}).") from error


def build(*, card: Card) -> Onnx:
    """The detector that ``card`` describes."""
    return Onnx(card)
