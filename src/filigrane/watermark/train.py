"""Training of the learned receiver: pictures are streamed, specimens made of them as they come, and nothing is kept.

The network learns what the decoder needs: that the sums it gives for the cells of a picture follow the chips. The loss
is the logarithm of the very figure that decides whether a mark is read, its energy over the power of the noise, so that
every picture counts alike in decibels.
"""

from __future__ import annotations

import csv
import math
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nf
from torch import Tensor, nn

from filigrane.core.errors import FiligraneError, UsageError
from filigrane.core.image import Limits, decode
from filigrane.core.values import Pixels
from filigrane.core.weights import Card, Tensors, save
from filigrane.watermark.demodulate import narrow, wide
from filigrane.watermark.frame import SIDE_PX, Plane
from filigrane.watermark.receiver import ARCHITECTURE, FEATURES, LAYERS, NAME, WIDTH, features, trust
from filigrane.watermark.specimens import Specimen, specimen

LEAST_SIDE_PX = 160
_HELD_OUT = 10
"""One group of pictures in so many is not trained on but checked with."""
_CHECKS = 200
_SHUFFLED = 1500
_LEAST_CHIPS = 100
_LIMITS = Limits(max_bytes=32 * 2**20, max_pixels=16_000_000, max_total_pixels=16_000_000)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to train, and how: ``budget_s`` of time in all, over all runs that resume."""

    budget_s: float
    batch: int = 8
    learning_rate: float = 2e-3
    seed: int = 0
    save_every_s: float = 120.0


class Network(nn.Module):
    """The layers of `filigrane.watermark.receiver`, before training an exact copy of the classical receiver."""

    def __init__(self) -> None:
        super().__init__()
        before = FEATURES
        for name, dilation, _ in LAYERS:
            self.add_module(name, nn.Conv2d(before, WIDTH, 3, padding=dilation, dilation=dilation))
            before = WIDTH
        self.e = nn.Conv2d(before, 4, 3, padding=1)
        nn.init.zeros_(self.e.weight)
        nn.init.constant_(self.get_parameter("e.bias"), 0.0)

    def forward(self, luma: Plane) -> Tensor:
        """What is left of ``luma`` (H, W, both even), float32 (H, W)."""
        maps = torch.from_numpy(features(luma))[None]
        for name, _, residual in LAYERS:
            found = torch.relu(self.get_submodule(name)(maps))
            maps = maps + found if residual else found
        answer = nf.pixel_shuffle(self.e(maps), 2)[0, 0]
        return torch.from_numpy(narrow(luma)) + answer * torch.from_numpy(trust(luma))

    def tensors(self) -> Tensors:
        """The weights as arrays."""
        return {name: value.detach().numpy().copy() for name, value in self.state_dict().items()}


def clearness(rest: Tensor, given: Specimen) -> Tensor:
    """Energy of the mark over the power of mark and noise, summed over the chips of ``given``, as found in ``rest``."""
    sums, chips = _sums(rest, given), torch.from_numpy(given.chips)
    along = (sums * chips).sum().clamp(min=0)
    return chips.numel() * along**2 / ((sums**2).sum() * (chips**2).sum() + 1e-12)


def _sums(rest: Tensor, given: Specimen) -> Tensor:
    """Sums of ``rest`` per chip, sampled as the reader does: twice along each side, averaged over a sample's width."""
    window = max(1, round(given.cell_px / 2))
    before, after = window // 2, window - 1 - window // 2
    averaged = nf.avg_pool2d(nf.pad(rest[None, None], (before, after, before, after)), window, 1)
    lag = 0.5 * (window % 2 == 0) - 0.5
    down, across = (
        torch.from_numpy(np.asarray((places + lag) * 2 / (side - 1) - 1, np.float32))
        for places, side in zip((given.down, given.across), rest.shape, strict=True)
    )
    rows, columns = len(down), len(across)
    grid = torch.stack([across.expand(rows, -1), down[:, None].expand(-1, columns)], -1)[None]
    sampled = nf.grid_sample(averaged, grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0, 0]
    return sampled.reshape(rows // 2, 2, columns // 2, 2).sum((1, 3))


class Training:
    """One run: network, optimiser and progress, in one file that a later run goes on from."""

    def __init__(self, corpus: Path, work: Path, plan: Plan) -> None:
        """Goes on from the checkpoint in ``work`` where there is one; UsageError where ``corpus`` has no pictures."""
        torch.manual_seed(plan.seed)
        self.network, self.plan = Network(), plan
        self.step, self.elapsed_s = 0, 0.0
        self._checkpoint = work / "checkpoint.pt"
        self._optimiser = torch.optim.Adam(self.network.parameters(), lr=plan.learning_rate)
        work.mkdir(parents=True, exist_ok=True)
        if self._checkpoint.is_file():
            self._resume()
        self._corpus = corpus
        self._checks = checks(corpus, plan.seed)

    def go(self, watch: Callable[[str], None]) -> None:
        """Train until the time is spent; ``watch`` is told how it stands at every save."""
        rng = np.random.default_rng([self.plan.seed, self.step])
        source = _specimens(pictures(self._corpus, rng, held_out=False), rng)
        begun, before, saved = time.monotonic(), self.elapsed_s, self.elapsed_s
        while self.elapsed_s < self.plan.budget_s:
            self._learn([next(source) for _ in range(self.plan.batch)])
            self.elapsed_s = before + time.monotonic() - begun
            if self.elapsed_s - saved >= self.plan.save_every_s:
                self._save()
                watch(self.standing())
                saved = self.elapsed_s
        self._save()
        watch(self.standing())

    def standing(self) -> str:
        """How the network does on the held-out specimens, beside the two classical suppressions."""
        learned, plain, broad = self.measured().mean(0)
        return f"{self.elapsed_s:.0f} s, step {self.step}: {learned:.2f} dB; classical {plain:.2f} and {broad:.2f} dB"

    def measured(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Clearness in dB of each held-out specimen under the network, the narrow and the wide suppression (n, 3)."""
        found = []
        with torch.inference_mode():
            for given in self._checks:
                rests = (self.network(given.luma), *(torch.from_numpy(f(given.luma)) for f in (narrow, wide)))
                found.append([10 * math.log10(max(1.0, float(clearness(rest, given)))) for rest in rests])
        return np.array(found).reshape(-1, 3)

    def _learn(self, batch: Sequence[Specimen]) -> None:
        share = min(1.0, self.elapsed_s / self.plan.budget_s)
        rate = self.plan.learning_rate * min(1.0, self.step / 100) * (0.5 + 0.5 * math.cos(math.pi * share))
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad()
        for given in batch:
            loss = -torch.log(clearness(self.network(given.luma), given) + 2) / len(batch)
            torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        self.step += 1

    def _save(self) -> None:
        partial = self._checkpoint.with_suffix(".partial")
        state = {"network": self.network.state_dict(), "optimiser": self._optimiser.state_dict()}
        torch.save(state | {"step": self.step, "elapsed_s": self.elapsed_s}, partial)
        partial.replace(self._checkpoint)

    def _resume(self) -> None:
        try:
            state = torch.load(self._checkpoint, weights_only=True)
            self.network.load_state_dict(state["network"])
            self._optimiser.load_state_dict(state["optimiser"])
            self.step, self.elapsed_s = int(state["step"]), float(state["elapsed_s"])
        except Exception as error:  # torch raises whatever its unpickler meets
            raise UsageError(f"{self._checkpoint} is no checkpoint of this training; remove it.") from error


def checks(corpus: Path, seed: int) -> list[Specimen]:
    """Specimens of pictures that are not trained on; UsageError where the corpus is too small to have any."""
    rng = np.random.default_rng([seed, 1])
    source = _specimens(pictures(corpus, rng, held_out=True), rng)
    return [next(source) for _ in range(_CHECKS)]


def export(training: Training, folder: Path, *, licence: str, trained_on: str) -> Card:
    """Write the network as weights with their card into ``folder``."""
    learned, plain, broad = training.measured().mean(0)
    card = Card(
        name=NAME,
        architecture=ARCHITECTURE,
        file=f"{NAME}.safetensors",
        sha256="",
        size_px=SIDE_PX,
        mean=(),
        std=(),
        licence=licence,
        seed=training.plan.seed,
        trained_on={"pictures": trained_on, "steps": training.step, "batch": training.plan.batch},
        metrics={"clearness_db": learned, "classical_narrow_db": plain, "classical_wide_db": broad, "n": _CHECKS},
    )
    tensors: Tensors = {name: value.astype(np.float16) for name, value in training.network.tensors().items()}
    return save(card, tensors, folder)


def _specimens(source: Iterator[Pixels], rng: np.random.Generator) -> Iterator[Specimen]:
    for pixels in source:
        made = specimen(pixels, rng)
        if made.chips.size >= _LEAST_CHIPS:
            yield made


def pictures(corpus: Path, rng: np.random.Generator, *, held_out: bool) -> Iterator[Pixels]:
    """Pictures of the tar shards or files in ``corpus``, over and over, shuffled as far as a buffer goes.

    One group in ten is held out: by its ``repo`` or ``group`` in manifest.csv, or by its name where there is none.
    Raises UsageError where a whole round gives nothing, or where manifest or shards can't be read.
    """
    groups, found = _groups(corpus), True
    while found:
        found = False
        files = _files(corpus, rng)
        chosen = (data for name, data in files if _is_held_out(groups.get(name, name)) is held_out)
        for data in _shuffled(chosen, rng):
            pixels = _decoded(data)
            if pixels is not None:
                found = True
                yield pixels
    raise UsageError(
        f"{corpus} has too few pictures of at least {LEAST_SIDE_PX} pixels; one in {_HELD_OUT} is kept for checking."
    )


def _is_held_out(group: str) -> bool:
    return zlib.crc32(group.encode()) % _HELD_OUT == 0


def _shuffled(source: Iterator[bytes], rng: np.random.Generator) -> Iterator[bytes]:
    """What ``source`` gives in an order that a buffer makes random."""
    waiting: list[bytes] = []
    for data in source:
        waiting.append(data)
        if len(waiting) > _SHUFFLED:
            yield waiting.pop(int(rng.integers(len(waiting))))
    for place in rng.permutation(len(waiting)):
        yield waiting[place]


def _decoded(data: bytes) -> Pixels | None:
    try:
        pixels = decode(data, limits=_LIMITS).pixels
    except FiligraneError:
        return None
    return pixels if min(pixels.shape[:2]) >= LEAST_SIDE_PX else None


def _groups(corpus: Path) -> dict[str, str]:
    manifest = corpus / "manifest.csv"
    if not manifest.is_file():
        return {}
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as stream:
            return {row["file"]: row.get("repo") or row.get("group") or row["file"] for row in csv.DictReader(stream)}
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{manifest} can't be read ({error!r}); give a CSV file with the column 'file'.") from error


def _files(corpus: Path, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of all that is in the shards (those called train-*, where some are), or of the plain files."""
    shards = sorted(corpus.glob("train-*.tar")) or sorted(corpus.glob("*.tar"))
    for index in rng.permutation(len(shards)):
        yield from _members(shards[index])
    if not shards:
        for path in sorted(corpus.rglob("*")):
            if path.is_file() and path.stat().st_size <= _LIMITS.max_bytes:
                yield str(path.relative_to(corpus)), path.read_bytes()


def _members(shard: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(shard) as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isfile() and member.size <= _LIMITS.max_bytes else None
                if stream is not None:
                    yield member.name, stream.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UsageError(f"{shard} can't be read as a tar file ({error}); remove it or fetch it again.") from error
