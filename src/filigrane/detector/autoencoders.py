"""Small autoencoders of several designs, trained here, to draw real pictures anew for aligned pairs.

What a reconstruction carries of a generator comes from the decoder's last layers, and designs differ in it: how they
enlarge (repeated pixels, transposed convolution, pixel shuffle), how often, and what the bottleneck takes away (noise
as in Kingma and Welling, arXiv 1312.6114, or a codebook as in van den Oord et al., arXiv 1711.00937). The encoder
begins as a cosine transform of each patch, so that minutes of training go to the decoder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as nf
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from filigrane.core.errors import UnreadableInput, UsageError
from filigrane.core.values import Pixels
from filigrane.detector import cosines
from filigrane.detector.models._trunk import to_tensor
from filigrane.detector.pairs import AUTOENCODER
from filigrane.perturb.attacks.regenerate import in_tiles

WEIGHTS = "autoencoder.safetensors"
WIDTH = 24
_GREATEST_WIDTH = 256
_MOST_CONFIG_BYTES = 2**16
_CODES, _CODE_NUMBERS = 256, 2
_FIRST_LOG_VARIANCE = -6.0
_MARGIN_PX = 32


@dataclass(frozen=True, slots=True)
class Design:
    """How an autoencoder is built: ``numbers`` latents for each ``factor`` × ``factor`` pixels.

    ``bottleneck`` is kl or vq, ``upsampler`` is nearest, transposed or shuffle.
    """

    factor: int
    numbers: int
    bottleneck: str = "kl"
    upsampler: str = "nearest"


DESIGNS: Mapping[str, Design] = MappingProxyType(
    {
        "kl-f8": Design(8, 96),
        "kl-f4": Design(4, 8),
        "vq-f8": Design(8, 96, bottleneck="vq"),
        "transposed-f8": Design(8, 28, upsampler="transposed"),
        "shuffle-f8": Design(8, 28, upsampler="shuffle"),
    }
)
"""The designs there are, by name; those whose way of enlarging loses more get more latents."""


class Autoencoder(nn.Module):
    """Float NCHW in [0, 1], sides multiples of the factor, to the same through the latents of a design.

    The lowest level is ``width`` times one more than the number of its enlargements wide, the last one ``width``.
    """

    def __init__(self, design: Design, width: int = WIDTH) -> None:
        super().__init__()
        levels = design.factor.bit_length() - 1
        widths = [width * (levels + 1 - level) for level in range(levels + 1)]
        self.project = nn.Conv2d(3, design.numbers, design.factor, stride=design.factor, bias=False)
        first = nn.Conv2d(3, widths[0], design.factor, stride=design.factor)
        last = nn.Conv2d(widths[0], 2 * design.numbers, 3, padding=1)
        self.refine = nn.Sequential(first, Block(widths[0]), last)
        groups = design.numbers // _CODE_NUMBERS
        self.codes = nn.Parameter(torch.randn(groups, _CODES, _CODE_NUMBERS)) if design.bottleneck == "vq" else None
        layers: list[nn.Module] = [nn.Conv2d(design.numbers, widths[0], 3, padding=1), Block(widths[0])]
        for wide, narrow in pairwise(widths):
            layers += [Block(wide), _enlarging(design.upsampler, wide, narrow)]
        self.decoder = nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))
        nn.init.zeros_(last.weight)
        for key, part in self.named_parameters():
            if key.endswith("bias"):
                nn.init.zeros_(part)
        self._begin(design, widths)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures drawn anew, and what the bottleneck costs: a scalar."""
        centred = pictures * 2 - 1
        shift, spread = self.refine(centred).chunk(2, dim=1)
        latents = self.project(centred) + shift
        if self.codes is not None:
            latents, cost = _quantised(latents.float(), self.codes)
        else:
            log_variance = (spread.float() + _FIRST_LOG_VARIANCE).clamp(-20, 4)
            cost = 5e-5 * (latents.float().square() + log_variance.exp() - 1 - log_variance).mean()
            if self.training:
                latents = latents + torch.randn_like(latents) * (log_variance / 2).exp()
        return self.decoder(latents) / 2 + 0.5, cost

    @torch.no_grad()
    def _begin(self, design: Design, widths: Sequence[int]) -> None:
        """Write the cosine transform into the encoder, and its inverse into the first maps of every level."""
        size = design.factor
        scale = cosines.deviations(size, design.numbers)
        self.project.weight.copy_(torch.from_numpy(cosines.waves(size, design.numbers) / scale[:, None, None, None]))
        counts = [min(width, 3 * (size >> level) ** 2) for level, width in enumerate(widths)]
        counts[0] = min(counts[0], design.numbers)
        _write(self.decoder[0], np.diag(scale / size)[: counts[0], :, None, None])
        for level, layer in enumerate(self.decoder[3::2]):
            steps = cosines.quarters(size >> level, counts[level], counts[level + 1])
            _write(layer, cosines.kernel(design.upsampler, steps))
        _write(self.decoder[-1], cosines.waves(1, counts[-1])[:, :, 0, 0].T[:, :, None, None])


class Block(nn.Module):
    """A residual block of two convolutions that begins as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, width, H, W) to the same shape."""
        changed: Tensor = self.second(nf.silu(self.first(nf.silu(maps))))
        return maps + changed


def _enlarging(upsampler: str, wide: int, narrow: int) -> nn.Module:
    """A layer from ``wide`` maps to ``narrow`` ones of twice the size."""
    if upsampler == "transposed":
        return nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1)
    if upsampler == "shuffle":
        return nn.Sequential(nn.Conv2d(wide, 4 * narrow, 3, padding=1), nn.PixelShuffle(2))
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(wide, narrow, 3, padding=1))


def _write(layer: nn.Module, kernel: NDArray[np.float64]) -> None:
    """Let the first maps of the convolution in ``layer`` begin as the smaller ``kernel``, and see no others."""
    found = next(part for part in layer.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d))
    weight = found.weight.transpose(0, 1) if found.transposed else found.weight
    made, seen, height, width = kernel.shape
    top, left = (weight.shape[2] - height) // 2, (weight.shape[3] - width) // 2
    weight[:made] = 0
    weight[:made, :seen, top : top + height, left : left + width] = torch.from_numpy(kernel)


def _quantised(latents: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Each pair of latents replaced by the nearest of its codes, gradients passed straight through, and the cost."""
    groups, _, numbers = codes.shape
    count, _, rows, columns = latents.shape
    flat = latents.reshape(count, groups, numbers, -1).permute(1, 0, 3, 2).reshape(groups, -1, numbers)
    nearest = torch.cdist(flat.detach(), codes.detach()).argmin(dim=2, keepdim=True).expand(-1, -1, numbers)
    found = codes.gather(1, nearest)
    cost = nf.mse_loss(found, flat.detach()) + 0.25 * nf.mse_loss(flat, found.detach())
    passed = (flat + (found - flat).detach()).reshape(groups, count, -1, numbers)
    return passed.permute(1, 0, 3, 2).reshape(count, -1, rows, columns), 0.1 * cost


class Redraw:
    """Pictures drawn anew by an autoencoder trained here: an attack as `filigrane.perturb.base.Attack` describes."""

    unit = "passes through the autoencoder"
    strengths: tuple[float, ...] = (1.0,)
    bounds = (1.0, 20.0)

    def __init__(self, name: str, model: Autoencoder) -> None:
        self.name = name
        self._model = model.cpu().float().eval()

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """Drawn anew ``strength`` times, tile by tile: uint8 (H, W, 3)."""
        for _ in range(round(strength)):
            pixels = in_tiles(pixels, self._drawn, margin_px=_MARGIN_PX)
        return pixels.copy()

    @torch.inference_mode()
    def _drawn(self, pixels: Pixels) -> Pixels:
        drawn, _ = self._model(to_tensor(pixels[None]))
        return np.asarray((drawn[0].permute(1, 2, 0).numpy() * 255).round().clip(0, 255), np.uint8)


def design_of(name: str) -> Design:
    """The design called ``name``; raises UsageError with the known names."""
    if name not in DESIGNS:
        raise UsageError(f"There is no design {name!r}; choose one of {', '.join(DESIGNS)}.")
    return DESIGNS[name]


def load(folder: Path) -> Redraw:
    """The autoencoder that was trained into ``folder``; raises UnreadableInput where there is none that can be read."""
    try:
        with (folder / AUTOENCODER).open("rb") as stream:
            told = json.loads(stream.read(_MOST_CONFIG_BYTES))
        name, width = str(told["design"]), int(told["width"])
        if not 1 <= width <= _GREATEST_WIDTH:
            raise ValueError(f"a width of {width}")
        model = Autoencoder(design_of(name), width)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        RecursionError,
        UsageError,
        SafetensorError,
    ) as error:
        raise UnreadableInput(
            f"{folder} holds no autoencoder of 'filigrane train autoencoder' that can be read ({error})."
        ) from error
    return Redraw(name, model)
