"""A timm architecture with weights from a safetensors file: ``timm:<architecture>@<file>``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filigrane.core.errors import MissingExtra, UnreadableInput, UsageError
from filigrane.core.values import Pixels
from filigrane.eval.metrics import Float
from filigrane.eval.scorers._shared import Feed, cropped, hash_of, llr_of


class Timm:
    """The network ``architecture`` with the weights in ``path``, all of which must fit."""

    scale = "llr"
    threshold: float | None = 0.0

    def __init__(self, architecture: str, path: Path, feed: Feed, *, classes: int = 1, ai: int = 1) -> None:
        """Raises MissingExtra, UsageError for an unknown architecture, UnreadableInput where the weights do not fit."""
        try:
            import timm
            import torch
            from safetensors.torch import load_file
        except ImportError as error:
            raise MissingExtra("timm networks", "evaluate") from error
        self.name = f"timm {architecture}"
        self.hash = hash_of("timm", architecture, repr((feed, classes, ai)), path)
        try:
            self._network: Any = timm.create_model(architecture, pretrained=False, num_classes=classes)
        except RuntimeError as error:
            raise UsageError(f"timm has no architecture {architecture!r} ({error}).") from error
        try:
            self._network.load_state_dict(load_file(path), strict=True)
        except Exception as error:  # safetensors and torch have no common base of their errors
            raise UnreadableInput(f"{path} does not hold the weights of {architecture} ({error}).") from error
        self._network.eval()
        self._torch: Any = torch
        self._feed, self._ai = feed, ai

    def score(self, pictures: Sequence[Pixels]) -> Float:
        """Nats for each picture."""
        with self._torch.inference_mode():
            outputs = self._network(self._torch.from_numpy(self._feed.batch(pictures)))
        return llr_of(outputs.float().numpy(), self._ai)


def build(target: str, *, size_px: str = "224", fit: str = "crop", classes: str = "1", ai: str = "1") -> Timm:
    """The network that ``target`` names as ``<architecture>@<file>``."""
    architecture, _, path = target.partition("@")
    if not path:
        raise UsageError(f"timm:{target} names no weights; write timm:<architecture>@<file.safetensors>.")
    return Timm(architecture, Path(path), Feed(int(size_px), crop=cropped(fit)), classes=int(classes), ai=int(ai))
