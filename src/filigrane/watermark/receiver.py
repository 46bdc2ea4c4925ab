"""A learned suppression of the host: a small network that says at each pixel how the mark has changed the picture.

It takes the place of the Wiener filter in `filigrane.watermark.demodulate` and of nothing else: what it proposes goes
through the same grid, the same list decoder and the same keyed check, so the bound on false accepts holds whatever it
learnt. It knows no key: it was trained on random chips. Computed with numpy, so that reading needs no torch.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import NotFound, UnreadableInput
from filigrane.core.values import sha256_hex
from filigrane.core.weights import Tensors, find_card, load_tensors
from filigrane.watermark.demodulate import narrow
from filigrane.watermark.frame import Plane

Maps = NDArray[np.float32]
NAME = "watermark-receiver"
"""The card of the weights."""
ARCHITECTURE = "filigrane-watermark-receiver-1"
FEATURES = 9
"""Maps that the network sees, at half the size of the frame."""
WIDTH = 24
"""Maps between its layers."""
LAYERS = (("a", 1, False), ("b", 1, True), ("c", 2, True), ("d", 1, True))
"""Name, dilation and whether what came before is added again, of each 3 x 3 convolution but the last, ``e``."""
_BAND = 2048


def features(luma: Plane) -> Maps:
    """What the network sees of ``luma`` (H, W, both even): float32 (9, H / 2, W / 2)."""
    mean, variance = _local(luma)
    scaled = np.asarray((luma - mean) / np.sqrt(variance + 6), np.float32)
    level = 0.5 * np.log(variance + 6) - 1.5
    small = cv2.resize(level, (luma.shape[1] // 2, luma.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return np.concatenate([apart(scaled), 4 * apart(narrow(luma)), small[None]]).astype(np.float32)


def trust(luma: Plane) -> Plane:
    """What the network's answer is weighed with at each pixel: little where the picture varies much."""
    return np.asarray(1 / np.sqrt(_local(luma)[1] + 6), np.float32)


def apart(plane: Plane) -> Maps:
    """(H, W) to the four maps of every second pixel (4, H / 2, W / 2)."""
    rows, columns = plane.shape
    return plane.reshape(rows // 2, 2, columns // 2, 2).transpose(1, 3, 0, 2).reshape(4, rows // 2, columns // 2)


def together(maps: Maps) -> Plane:
    """The inverse of `apart`."""
    _, rows, columns = maps.shape
    return maps.reshape(2, 2, rows, columns).transpose(2, 0, 3, 1).reshape(2 * rows, 2 * columns)


def _local(luma: Plane) -> tuple[Plane, Plane]:
    mean = cv2.blur(luma, (9, 9))
    variance = np.maximum(cv2.blur(luma * luma, (9, 9)) - mean * mean, 0)
    return np.asarray(mean, np.float32), np.asarray(variance, np.float32)


class Receiver:
    """The network with its weights."""

    def __init__(self, tensors: Tensors) -> None:
        """Raises UnreadableInput where ``tensors`` are not those of the network."""
        expected = {f"{name}.{part}" for name in (*(layer[0] for layer in LAYERS), "e") for part in ("weight", "bias")}
        shapes = {name: value.shape for name, value in tensors.items()}
        before, after = (WIDTH, FEATURES, 3, 3), (4, WIDTH, 3, 3)
        if set(tensors) != expected or shapes["a.weight"] != before or shapes["e.weight"] != after:
            raise UnreadableInput(f"The weights are not those of {ARCHITECTURE}; train or install them again.")
        self._tensors = {name: np.asarray(value, np.float32) for name, value in tensors.items()}

    @property
    def hash(self) -> str:
        """The SHA-256 of the weights."""
        return sha256_hex(b"".join(value.tobytes() for _, value in sorted(self._tensors.items())))

    def __call__(self, luma: Plane) -> Plane:
        """What is left of ``luma`` (0-255) when the picture is taken out, float32, same shape."""
        rows, columns = luma.shape
        even = np.asarray(cv2.copyMakeBorder(luma, 0, rows % 2, 0, columns % 2, cv2.BORDER_REPLICATE), np.float32)
        maps = features(even)
        for name, dilation, residual in LAYERS:
            found = np.maximum(self._convolved(maps, name, dilation), 0)
            maps = maps + found if residual else found
        answer = np.multiply(together(self._convolved(maps, "e", 1)), trust(even))
        return np.ascontiguousarray((narrow(even) + answer)[:rows, :columns])

    def _convolved(self, maps: Maps, name: str, dilation: int) -> Maps:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        channels, rows, columns = maps.shape
        padded = np.zeros((channels, rows + 2 * dilation, columns + 2 * dilation), np.float32)
        padded[:, dilation:-dilation, dilation:-dilation] = maps
        kernel = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
        out = np.empty((len(weight), rows, columns), np.float32)
        step = max(1, _BAND // columns)
        for top in range(0, rows, step):
            last = min(rows, top + step)
            parts = [
                padded[
                    :, top + dilation * down : last + dilation * down, dilation * across : dilation * across + columns
                ]
                for down in range(3)
                for across in range(3)
            ]
            stacked = np.stack(parts).reshape(9 * channels, -1)
            out[:, top:last] = (kernel @ stacked).reshape(len(weight), last - top, columns)
        return out + bias[:, None, None]


def installed() -> Receiver | None:
    """The receiver whose weights are installed, or None where there are none.

    Raises UnreadableInput where they are damaged or of another architecture.
    """
    try:
        card = find_card(NAME)
        if card.architecture != ARCHITECTURE:
            raise UnreadableInput(f"The weights {card.path} are {card.architecture!r}; expected {ARCHITECTURE!r}.")
        return Receiver(load_tensors(card))
    except NotFound:
        return None
