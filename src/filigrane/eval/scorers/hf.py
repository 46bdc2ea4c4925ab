"""An image classifier of Hugging Face transformers, from a folder or the local cache; nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from filigrane.core.errors import MissingExtra, NotFound, UsageError
from filigrane.core.values import Pixels
from filigrane.eval.metrics import Float
from filigrane.eval.scorers._shared import hash_of, llr_of

AI_NAMES = ("ai", "fake", "artificial", "generated", "synthetic", "deepfake", "1_fake")


class HuggingFace:
    """The classifier ``name`` with its own preprocessing, in safetensors; ``ai`` None finds the class by its name."""

    scale = "llr"
    threshold: float | None = 0.0

    def __init__(self, name: str, *, ai: int | None = None) -> None:
        """Raises MissingExtra, NotFound where it is not on this machine, UsageError where no class means AI."""
        try:
            torch, transformers = import_module("torch"), import_module("transformers")
        except ImportError as error:
            raise MissingExtra("Hugging Face classifiers", "generate") from error
        here = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._processor: Any = transformers.AutoImageProcessor.from_pretrained(name, **here)
            self._network: Any = transformers.AutoModelForImageClassification.from_pretrained(
                name, use_safetensors=True, **here
            )
        except (OSError, ValueError) as error:
            raise NotFound(
                f"{name!r} is no classifier on this machine ({error}); fetch it with 'hf download {name}' first."
            ) from error
        self._network.eval()
        self._torch: Any = torch
        names = {int(i): str(word).lower() for i, word in self._network.config.id2label.items()}
        self._ai = ai if ai is not None else _ai_class(names)
        self.name = f"hf {name}"
        weights = sorted(Path(name).glob("*.safetensors")) if Path(name).is_dir() else []
        revision = str(getattr(self._network.config, "_commit_hash", ""))
        self.hash = hash_of("hf", name, revision, str(self._ai), *weights)

    def score(self, pictures: Sequence[Pixels]) -> Float:
        """Nats for each picture."""
        inputs = self._processor(images=list(pictures), return_tensors="pt")
        with self._torch.inference_mode():
            outputs = self._network(**inputs).logits
        return llr_of(outputs.float().numpy(), self._ai)


def _ai_class(names: dict[int, str]) -> int:
    found = [i for i, name in names.items() if any(word in name.replace("-", "_").split("_") for word in AI_NAMES)]
    found = found or [i for i, name in names.items() if any(word in name for word in AI_NAMES[1:])]
    if len(found) != 1:
        raise UsageError(f"No one class means AI among {names}; say which: hf:<name>#ai=<number>.")
    return found[0]


def build(target: str, *, ai: str = "") -> HuggingFace:
    """The classifier ``target``: a folder, or a name in the local cache."""
    return HuggingFace(target, ai=int(ai) if ai else None)
