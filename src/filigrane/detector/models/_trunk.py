"""Small ImageNet trunks, cut in their middle, that describe a crop by statistics of their maps, and a linear head.

Traces of generators sit in the middle of a classifier's trunk and not in its semantic head, so each trunk ends after
its fifth stage. Of every map only the mean, the deviation and the correlations with the other maps of its stage are
kept (second-order pooling, as Gatys et al., arXiv 1505.07376, describe textures): no place, no size, little content.
Architecture: EfficientNet-Lite (Tan and Le, arXiv 1905.11946, in its "lite" variant), as timm builds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from filigrane.core.errors import UsageError

CHANNELS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"lite0": (32, 16, 24, 40, 80, 112), "lite2": (32, 16, 24, 48, 88, 120)}
)
"""The trunks there are, with the channels of their stem and their five stages."""


def numbers(trunks: Sequence[str]) -> int:
    """How many numbers describe a crop: 11,656 for lite0, 13,644 more for lite2.

    >>> numbers(["lite0"])
    11656
    """
    return sum(2 * n + n * (n - 1) // 2 for trunk in trunks for n in CHANNELS[trunk])


class Trunk(nn.Module):
    """Float NCHW in [0, 1] to the statistics of the maps after each stage: (N, numbers)."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        whole: Any = timm.create_model(f"tf_efficientnet_{name}", pretrained=False)
        self.conv_stem, self.bn1 = whole.conv_stem, whole.bn1
        self.blocks = nn.ModuleList(list(whole.blocks)[: len(CHANNELS[name]) - 1])
        for channels in CHANNELS[name]:
            rows, columns = np.triu_indices(channels, 1)
            self.register_buffer(f"pairs_{channels}", torch.from_numpy(rows * channels + columns), persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """The statistics of each crop."""
        maps = self.bn1(self.conv_stem(crops * 2 - 1))
        channels = CHANNELS[self.name]
        found = [_statistics(maps, self.get_buffer(f"pairs_{channels[0]}"))]
        for block, count in zip(self.blocks, channels[1:], strict=True):
            maps = block(maps)
            found.append(_statistics(maps, self.get_buffer(f"pairs_{count}")))
        return torch.cat(found, dim=1)

    def load_imagenet(self, state: Mapping[str, Tensor]) -> None:
        """Fill the trunk from the state of a whole EfficientNet-Lite: tensors of other names in the same order.

        Raises UsageError where a shape differs.
        """
        target = timm.create_model(f"tf_efficientnet_{self.name}", pretrained=False).state_dict()
        if len(target) != len(state):
            raise UsageError(f"The weights have {len(state)} tensors; {self.name} has {len(target)}.")
        named = dict(zip(target, state.values(), strict=True))
        for name, given in named.items():
            if target[name].shape != given.shape:
                raise UsageError(
                    f"The tensor for {name} is {tuple(given.shape)}; expected {tuple(target[name].shape)}."
                )
        self.load_state_dict({name: named[name] for name in self.state_dict()})


class Trunks(nn.ModuleDict):
    """The statistics of several trunks side by side."""

    def forward(self, crops: Tensor) -> Tensor:
        """What the head sees of each crop: (N, numbers)."""
        return torch.cat([trunk(crops) for trunk in self.values()], dim=1)


class PatchNet(nn.Module):
    """Float NCHW in [0, 1] to log-odds of AI (N,): trunks, their statistics side by side, one linear layer.

    With ``families`` of generators a second linear layer gives the log-odds of each of them (N, families).
    """

    def __init__(self, names: Sequence[str], families: int = 0) -> None:
        super().__init__()
        self.trunks = Trunks({name: Trunk(name) for name in names})
        self.head = nn.Linear(numbers(names), 1)
        self.families = nn.Linear(numbers(names), families) if families else None

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """Log-odds of AI for each crop, and of each family where there are any."""
        found = self.trunks(crops)
        odds = self.head(found)[:, 0]
        return (odds,) if self.families is None else (odds, self.families(found))


def _statistics(maps: Tensor, pairs: Tensor) -> Tensor:
    """Mean, deviation and correlations of (N, C, H, W) over the places: (N, 2 C + C (C - 1) / 2).

    ``pairs`` are the places of the upper triangle in a flattened (C, C).
    """
    flat = maps.flatten(2)
    mean = flat.mean(dim=2, keepdim=True)
    centred = flat - mean
    deviation = (centred.square().mean(dim=2, keepdim=True) + 1e-6).sqrt()
    scaled = centred / deviation
    correlations = (scaled @ scaled.transpose(1, 2) / flat.shape[2]).flatten(1)
    return torch.cat([mean[..., 0], deviation[..., 0], correlations[:, pairs]], dim=1)


def to_tensor(crops: NDArray[np.uint8]) -> Tensor:
    """uint8 (N, H, W, 3) as float NCHW in [0, 1], channels last in memory, which convolutions on a processor like."""
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float().div(255)
