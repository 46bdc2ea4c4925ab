"""A detector in an ONNX file, run by onnxruntime on the processor."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from filigrane.core.errors import MissingExtra, UnreadableInput
from filigrane.core.values import Pixels
from filigrane.eval.metrics import Float
from filigrane.eval.scorers._shared import Feed, choice, cropped, hash_of, llr_of, llr_of_probabilities


class Onnx:
    """The network in ``path``; its first output is one logit or the logits of classes, or probabilities."""

    scale = "llr"
    threshold: float | None = 0.0

    def __init__(
        self, path: Path, *, size_px: int | None = None, crop: bool = True, ai: int = 1, probabilities: bool = False
    ) -> None:
        """``size_px`` None takes the side that the file states, or 224; ``ai`` is the class that means AI."""
        try:
            onnxruntime: Any = import_module("onnxruntime")
        except ImportError as error:
            raise MissingExtra("ONNX networks", "evaluate") from error
        self.hash = hash_of("onnx", repr((size_px, crop, ai, probabilities)), path)
        self.name = f"onnx {path.name}"
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime has no common base of its errors
            raise UnreadableInput(f"{path} is not a network that onnxruntime can run ({error}).") from error
        self._input = self._session.get_inputs()[0]
        side = self._input.shape[-1] if len(self._input.shape) == 4 else None
        stated = side if isinstance(side, int) else 224
        self._feed = Feed(stated if size_px is None else size_px, crop=crop)
        self._ai, self._llr = ai, llr_of_probabilities if probabilities else llr_of

    def score(self, pictures: Sequence[Pixels]) -> Float:
        """Nats for each picture."""
        try:
            outputs = self._session.run(None, {self._input.name: self._feed.batch(pictures)})[0]
        except Exception as error:  # the runtime has no common base of its errors
            raise UnreadableInput(f"{self.name} failed on a batch of {len(pictures)} ({error}).") from error
        return self._llr(outputs, self._ai)


def build(target: str, *, size_px: str = "", fit: str = "crop", ai: str = "1", output: str = "logit") -> Onnx:
    """The network in the file ``target``; ``fit`` is crop or resize, ``output`` is logit or probability."""
    size, crop = int(size_px) if size_px else None, cropped(fit)
    probabilities = choice("output", output, ("logit", "probability")) == "probability"
    return Onnx(Path(target), size_px=size, crop=crop, ai=int(ai), probabilities=probabilities)
