"""What the ways share: pixels as lossless bytes, numbers brought to one scale, networks fed alike."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import UnreadableInput, UsageError
from filigrane.core.image import encode
from filigrane.core.values import Pixels
from filigrane.eval.base import SCALES
from filigrane.eval.metrics import Float, logit


def png(pixels: Pixels) -> bytes:
    """The picture as a PNG file without metadata."""
    return encode(pixels, "png")


def choice(name: str, value: str, known: Sequence[str]) -> str:
    """The ``value`` of the option ``name`` itself; raises UsageError where it is not ``known``."""
    if value not in known:
        raise UsageError(f"{value!r} is no {name}; choose one of {', '.join(known)}.")
    return value


def scale_of(name: str) -> str:
    """The scale itself; raises UsageError where it is none."""
    return choice("scale", name, SCALES)


def cropped(fit: str) -> bool:
    """Whether ``fit`` says that pictures are cropped rather than resized; raises UsageError where it says neither."""
    return choice("fit", fit, ("crop", "resize")) == "crop"


def middle_of(scale: str) -> float | None:
    """The threshold that a scale has by itself: even odds, or none where numbers have no meaning but their order.

    >>> middle_of("probability"), middle_of("score")
    (0.5, None)
    """
    return {"llr": 0.0, "probability": 0.5}.get(scale)


def hash_of(*parts: str | Path) -> str:
    """A hash over texts and the contents of files."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            try:
                with part.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise UnreadableInput(
                    f"{part} can't be read ({error.strerror}); give the file of the network."
                ) from error
        else:
            digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Feed:
    """How a picture becomes the input of a network: a square of ``size_px``, cropped from the middle or resized.

    Cropping keeps the traces that resizing destroys; smaller pictures are enlarged just enough.
    """

    size_px: int
    crop: bool = True
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if self.size_px < 1:
            raise UsageError(f"A network can't be fed squares of {self.size_px} pixels; give a side above zero.")

    def batch(self, pictures: Sequence[Pixels]) -> NDArray[np.float32]:
        """The input, float32 (N, 3, size_px, size_px), normalised."""
        squares = np.stack([self._square(picture) for picture in pictures]).astype(np.float32) / 255
        return np.ascontiguousarray(((squares - self.mean) / self.std).transpose(0, 3, 1, 2), np.float32)

    def _square(self, pixels: Pixels) -> NDArray[np.uint8]:
        size, (height, width) = self.size_px, pixels.shape[:2]
        if not self.crop or min(height, width) < size:
            factor = size / min(height, width)
            target = (
                (size, size) if not self.crop else (max(size, round(width * factor)), max(size, round(height * factor)))
            )
            smaller = target[0] < width
            pixels = cv2.resize(pixels, target, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC).astype(
                np.uint8
            )
            height, width = pixels.shape[:2]
        top, left = (height - size) // 2, (width - size) // 2
        return pixels[top : top + size, left : left + size]


def llr_of(outputs: NDArray[np.float32], ai: int) -> Float:
    """Nats for AI from the outputs of a network: one logit (N,) or (N, 1), or the logits of classes (N, C).

    ``ai`` is the class that means AI; against it stand all the others together. Raises UsageError where there is none.
    """
    logits = outputs.astype(np.float64).reshape(len(outputs), -1)
    _check_class(ai, logits.shape[1])
    if logits.shape[1] == 1:
        return np.asarray(logits[:, 0] if ai else -logits[:, 0])
    others = np.delete(logits, ai, axis=1)
    top = others.max(axis=1, keepdims=True)
    return np.asarray(logits[:, ai] - top[:, 0] - np.log(np.exp(others - top).sum(axis=1)))


def llr_of_probabilities(outputs: NDArray[np.float32], ai: int) -> Float:
    """The same from probabilities: one (N,) or (N, 1), that of class 1, or those of classes (N, C)."""
    chances = outputs.astype(np.float64).reshape(len(outputs), -1)
    _check_class(ai, chances.shape[1])
    if chances.shape[1] == 1:
        return logit(chances[:, 0] if ai else 1 - chances[:, 0])
    return logit(chances[:, ai])


def _check_class(ai: int, outputs: int) -> None:
    classes = max(2, outputs)
    if not 0 <= ai < classes:
        raise UsageError(f"The network has {classes} classes; ai={ai} is none of them.")
