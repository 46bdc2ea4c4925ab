"""Aligned pairs: real pictures and what an autoencoder makes of them, alike in content, size and compression.

The last stage of a latent generator is the decoder of its autoencoder, so a reconstruction carries a generator's
traces on a real picture's content (Dual Data Alignment, NeurIPS 2025): what differs between the two is nothing else.
The autoencoders are tiny distilled ones in the layout of madebyollin/taesd, told apart by the names of their tensors.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from filigrane.core.errors import UnreadableInput
from filigrane.core.image import encode
from filigrane.core.values import Pixels
from filigrane.detector.corpus import Entry, stream
from filigrane.perturb.base import recode

COLUMNS = ("file", "label", "split", "source", "kind", "group", "origin_width", "origin_height")
_GRID_PX = 8
_QUALITIES = (75, 96)


class _Block(nn.Module):
    """conv-ReLU-conv-ReLU-conv plus identity, then ReLU; a middle block first adds a normalised detour."""

    def __init__(self, channels: int, middle: int | None) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3)]
        self.conv = nn.Sequential(convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU(), convolutions[2])
        self.pool: nn.Module | None = None
        if middle is not None:
            wide, narrow = nn.Conv2d(channels, middle, 1, bias=False), nn.Conv2d(middle, channels, 1, bias=False)
            self.pool = nn.Sequential(wide, nn.GroupNorm(4, middle), nn.ReLU(), narrow)

    def forward(self, maps: Tensor) -> Tensor:
        if self.pool is not None:
            maps = maps + self.pool(maps)
        return torch.relu(self.conv(maps) + maps)


class _Squash(nn.Module):
    def forward(self, latent: Tensor) -> Tensor:
        return torch.tanh(latent / 3) * 3


class Autoencoder:
    """Encoder and decoder, from two files of safetensors."""

    def __init__(self, encoder: Path, decoder: Path) -> None:
        """Raises UnreadableInput where a file is not one of this layout."""
        self._encoder = _sequence(_tensors(encoder), encodes=True)
        self._decoder = _sequence(_tensors(decoder), encodes=False)

    def reconstructed(self, pixels: Pixels) -> Pixels:
        """uint8 (H, W, 3) through the autoencoder, cut to multiples of 8 pixels."""
        height, width = (side // _GRID_PX * _GRID_PX for side in pixels.shape[:2])
        batch = torch.from_numpy(pixels[:height, :width].copy()).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            out = self._decoder(self._encoder(batch)).clamp(0, 1)
        made: Pixels = np.rint(out[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        return made


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise UnreadableInput(f"{path} is not a file of safetensors ({error}).") from error


def _sequence(tensors: Mapping[str, Tensor], *, encodes: bool) -> nn.Sequential:
    """The layers that the tensors' names tell of; numbers without tensors are the layers that have none."""
    last = max(int(re.sub(r"\..*", "", name)) for name in tensors)
    layers: list[nn.Module] = []
    for number in range(last + 1):
        names = {name for name in tensors if name.startswith(f"{number}.")}
        if f"{number}.weight" in names:
            shape, bias = tensors[f"{number}.weight"].shape, f"{number}.bias" in names
            stride = 2 if encodes and not bias else 1
            layers.append(nn.Conv2d(shape[1], shape[0], 3, padding=1, stride=stride, bias=bias))
        elif names:
            wide = tensors.get(f"{number}.pool.0.weight")
            channels = tensors[f"{number}.conv.0.weight"].shape[0]
            layers.append(_Block(channels, wide.shape[0] if wide is not None else None))
        elif number == 0:
            layers.append(_Squash())
        else:
            layers.append(nn.ReLU() if number == 2 else nn.Upsample(scale_factor=2))
    whole = nn.Sequential(*layers)
    try:
        whole.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as error:
        raise UnreadableInput(f"The tensors are not those of a tiny autoencoder ({error}).") from error
    return whole.eval()


def write_pairs(
    entries: Sequence[Entry], autoencoder: Autoencoder, folder: Path, rng: np.random.Generator, *, per_source: int = 3
) -> int:
    """Write reconstructions of real ``entries``, at most ``per_source`` each, as a corpus folder; returns how many.

    Each belongs to the group of its original, and has been JPEG once, as nearly all originals have.
    """
    taken: Counter[str] = Counter()
    chosen = []
    for index in rng.permutation(len(entries)):
        entry = entries[index]
        if entry.label == 0 and taken[entry.group] < per_source:
            taken[entry.group] += 1
            chosen.append(entry)
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for entry, pixels in stream(sorted(chosen, key=lambda one: (one.shard, one.file))):
        made = recode(autoencoder.reconstructed(pixels), "JPEG", int(rng.integers(*_QUALITIES)))
        name = f"{Path(entry.file).stem}.png"
        (folder / name).write_bytes(encode(made, "png"))
        long_side = entry.long_side_px
        values = (name, 1, entry.split, "aligned-pair", "aligned-pair", entry.group, long_side, long_side)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream_:
        writer = csv.DictWriter(stream_, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)
