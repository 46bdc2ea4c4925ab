"""Regeneration: the picture goes through the autoencoder of a latent generator, which draws every pixel anew.

What an autoencoder does not understand it does not draw again, and that is where a pixel mark lives: the attack of
Zhao et al., "Invisible image watermarks are provably removable using generative AI" (NeurIPS 2024), without noise.
It stands apart from the yardstick, because it needs torch and weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from filigrane.core.errors import MissingExtra, NotFound, UnreadableInput
from filigrane.core.values import Pixels
from filigrane.core.weights import folders

_PLACES = ("autoencoder", "builtin/vae")
_KINDS = ("AutoencoderKL", "AutoencoderTiny")
_MOST_CONFIG_BYTES = 2**16
_TILE_PX = 512
_MARGIN_PX = 64
"""A multiple of the step of every autoencoder of diffusers."""


class Regenerate:
    """Encoded and decoded by an autoencoder in the folder ``path``, as diffusers writes it, at each pass."""

    name = "regenerate"
    unit = "passes through the autoencoder"
    strengths = (1.0,)
    bounds = (1.0, 20.0)

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """Drawn anew ``strength`` times, tile by tile.

        Raises MissingExtra without torch and diffusers, NotFound where there is no autoencoder, UnreadableInput where
        the folder holds none.
        """
        for _ in range(round(strength)):
            pixels = in_tiles(pixels, self._autoencoder)
        return pixels.copy()

    @cached_property
    def _autoencoder(self) -> _Autoencoder:
        folder = self._path or autoencoder()
        if folder is None:
            raise NotFound(
                f"There is no autoencoder to regenerate with: put a 'vae' folder of diffusers, renamed {_PLACES[0]!r}, "
                f"into one of {', '.join(map(str, folders()))}."
            )
        return _Autoencoder(folder)


class _Autoencoder:
    """uint8 (H, W, 3), sides multiples of 64, to the same through the latent space."""

    def __init__(self, folder: Path) -> None:
        try:
            import diffusers
            import torch
        except ImportError as error:
            raise MissingExtra("Regeneration by an autoencoder", "generate") from error
        try:
            kind: Any = getattr(diffusers, _kind(folder))
            options = {"use_safetensors": True, "local_files_only": True, "torch_dtype": torch.float32}
            self._model = kind.from_pretrained(folder, **options).eval()
        except (OSError, ValueError, RuntimeError) as error:
            raise UnreadableInput(f"{folder} holds no autoencoder that diffusers can load ({error}).") from error
        self._torch = torch

    def __call__(self, pixels: Pixels) -> Pixels:
        torch = self._torch
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.inference_mode():
            encoded = self._model.encode(batch)
            latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
            drawn = self._model.decode(latents).sample[0].permute(1, 2, 0)
        return np.asarray(np.rint((drawn.numpy() + 1) * 127.5).clip(0, 255), np.uint8)


def in_tiles(pixels: Pixels, draw: Callable[[Pixels], Pixels], *, margin_px: int = _MARGIN_PX) -> Pixels:
    """``pixels``, uint8 (H, W, 3), drawn anew tile by tile by ``draw``, which keeps the size of what it gets.

    ``margin_px`` are drawn around every tile and thrown away; sides that ``draw`` gets are multiples of it.
    """
    height, width = pixels.shape[:2]
    below, beside = (margin_px + -side % margin_px for side in (height, width))
    padded = cv2.copyMakeBorder(pixels, margin_px, below, margin_px, beside, cv2.BORDER_REPLICATE)
    out = np.empty_like(padded)
    reach = _TILE_PX + 2 * margin_px
    for top in range(0, height, _TILE_PX):
        for left in range(0, width, _TILE_PX):
            tile = draw(np.asarray(padded[top : top + reach, left : left + reach]))
            inner = tile[margin_px:-margin_px, margin_px:-margin_px]
            out[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return np.asarray(out[:height, :width], np.uint8)


def autoencoder() -> Path | None:
    """The folder of the user's own autoencoder, else of that of the built-in generator, else None."""
    places = (folder / place for place in _PLACES for folder in folders())
    return next((place for place in places if (place / "config.json").is_file()), None)


def _kind(folder: Path) -> str:
    try:
        with (folder / "config.json").open("rb") as stream:
            kind = json.loads(stream.read(_MOST_CONFIG_BYTES))["_class_name"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableInput(f"{folder} has no readable config.json of an autoencoder ({error!r}).") from error
    if kind not in _KINDS:
        raise UnreadableInput(f"{folder} holds a {str(kind)[:60]!r}; known are: {', '.join(_KINDS)}.")
    return str(kind)


def build(path: Path | None = None) -> Regenerate:
    """The attack with the autoencoder in ``path``, or with the first one among the installed weights."""
    return Regenerate(Path(path) if path is not None else None)
