"""A detector in an ONNX file, run by onnxruntime on the processor."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from filigrane.core.errors import MissingExtra, UnreadableInput
from filigrane.core.values import Pixels
from filigrane.eval.metrics import Float, logit
from filigrane.eval.scorers._shared import Feed, hash_of, llr_of


class Onnx:
    """The network in ``path``; its first output is one logit or the logits of classes, or probabilities."""

    scale = "llr"
    threshold: float | None = 0.0

    def __init__(self, path: Path, feed: Feed | None, *, ai: int = 1, probabilities: bool = False) -> None:
        """``feed`` None takes the side that the file states, or 224; ``ai`` is the class that means AI."""
        try:
            onnxruntime: Any = import_module("onnxruntime")
        except ImportError as error:
            raise MissingExtra("ONNX networks", "evaluate") from error
        self.hash = hash_of("onnx", repr((feed, ai, probabilities)), path)
        self.name = f"onnx {path.name}"
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime has no common base of its errors
            raise UnreadableInput(f"{path} is not a network that onnxruntime can run ({error}).") from error
        self._input = self._session.get_inputs()[0]
        side = self._input.shape[-1] if len(self._input.shape) == 4 else None
        self._feed = feed if feed is not None else Feed(side if isinstance(side, int) else 224)
        self._ai, self._probabilities = ai, probabilities

    def score(self, pictures: Sequence[Pixels]) -> Float:
        """Nats for each picture."""
        try:
            outputs = self._session.run(None, {self._input.name: self._feed.batch(pictures)})[0]
        except Exception as error:  # the runtime has no common base of its errors
            raise UnreadableInput(f"{self.name} failed on a batch of {len(pictures)} ({error}).") from error
        if not self._probabilities:
            return llr_of(outputs, self._ai)
        columns = outputs.reshape(len(pictures), -1)
        return logit(columns[:, self._ai] if columns.shape[1] > 1 else columns[:, 0])


def build(target: str, *, size_px: str = "", fit: str = "crop", ai: str = "1", output: str = "logit") -> Onnx:
    """The network in the file ``target``; ``fit`` is crop or resize, ``output`` is logit or probability."""
    feed = Feed(int(size_px), crop=fit == "crop") if size_px else None
    return Onnx(Path(target), feed, ai=int(ai), probabilities=output == "probability")
