"""The yardstick of watermarks: methods by attacks by pictures, with what each costs, cached and resumed like scores.

A row counts the pictures whose whole message came back, those that are detected at a false-positive rate of 1e-6, and
the share of bits that came back right. A picture that a method refuses to mark counts as not recovered.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from filigrane.core.errors import FiligraneError, MissingExtra, WatermarkError
from filigrane.core.image import Limits, decode, read_file
from filigrane.core.values import Picture, Pixels, Reading, Row
from filigrane.eval.base import Fault, Progress, Tell
from filigrane.eval.benchmarks._files import pictures
from filigrane.eval.cache import Cache
from filigrane.eval.intervals import Z, clustered_share, wilson
from filigrane.eval.sweep import Watch
from filigrane.perturb.table import Attacked, attacks_hash
from filigrane.watermark.base import Watermarker

FPR = 1e-6
"""False-positive rate at which a mark counts as detected."""
EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class Trial:
    """One read: whether the whole message came back, the p-value, the share of right bits, CPU-ms per megapixel."""

    recovered: bool
    p_value: float
    bits: float
    cpu_ms_per_mp: float


@dataclass(frozen=True, slots=True)
class Embedding:
    """What marking one picture cost: PSNR in dB, SSIM of the luma, CPU-ms per megapixel."""

    psnr_db: float
    ssim: float
    cpu_ms_per_mp: float


@dataclass(frozen=True, slots=True)
class MarkTable:
    """All trials: by method, by attack, one for each picture (None where the picture was not marked)."""

    attacks: tuple[str, ...]
    embeddings: dict[str, tuple[Embedding | None, ...]]
    trials: dict[str, dict[str, tuple[Trial | None, ...]]]

    def rows(self) -> tuple[Row, ...]:
        """The table as rows with Wilson's intervals, over all attacks clustered by picture."""
        return tuple(row for method in self.embeddings for row in self._method(method))

    def _method(self, method: str) -> Iterator[Row]:
        group, made = f"method={method}", [item for item in self.embeddings[method] if item is not None]
        refused = len(self.embeddings[method]) - len(made)
        note = f"{refused} pictures could not be marked" if refused else ""
        yield from _costs(made, group, note)
        trials = self.trials[method]
        clean = [trial.cpu_ms_per_mp for trial in trials.get("none", ()) if trial is not None]
        yield _mean("decode_cpu_ms_per_mp", clean, group)
        hits = np.array([[trial is not None and trial.recovered for trial in trials[a]] for a in self.attacks])
        pictures = np.tile(np.arange(hits.shape[1]), len(self.attacks))
        yield Row("message_recovery", *clustered_share(hits.ravel(), pictures), hits.size, group, "over all attacks")
        for attack in self.attacks:
            yield from _attack_rows(trials[attack], f"{group};attack={attack}")


def _costs(made: Sequence[Embedding], group: str, note: str) -> Iterator[Row]:
    yield _mean("psnr_db", [item.psnr_db for item in made], group, note)
    least = min((item.psnr_db for item in made), default=None)
    yield Row("psnr_db_min", least, None, None, len(made), group)
    yield _mean("ssim", [item.ssim for item in made], group)
    yield _mean("encode_cpu_ms_per_mp", [item.cpu_ms_per_mp for item in made], group)


def _attack_rows(trials: Sequence[Trial | None], group: str) -> Iterator[Row]:
    n = len(trials)
    for metric, hits in (
        ("message_recovery", sum(trial is not None and trial.recovered for trial in trials)),
        (f"tpr_at_fpr_{FPR:g}", sum(trial is not None and trial.p_value <= FPR for trial in trials)),
    ):
        yield Row(metric, hits / n, *wilson(hits, n), n, group)
    yield _mean("bit_accuracy", [trial.bits if trial is not None else 0.5 for trial in trials], group)


def _mean(metric: str, values: Sequence[float], group: str, note: str = "") -> Row:
    """The mean with its normal interval."""
    if not values:
        return Row(metric, None, None, None, 0, group, note or "no picture was marked")
    mean, n = float(np.mean(values)), len(values)
    if n == 1:
        return Row(metric, mean, None, None, n, group, note)
    half = Z * float(np.std(values, ddof=1)) / n**0.5
    return Row(metric, mean, mean - half, mean + half, n, group, note)


class MarkSweep:
    """One run of ``methods`` over the files ``images`` under ``attacks``; payloads follow from ``seed``."""

    def __init__(
        self, methods: dict[str, Watermarker], attacks: tuple[Attacked, ...], cache: Cache, *, seed: int, limits: Limits
    ) -> None:
        self._methods, self._attacks, self._cache, self._seed, self._limits = methods, attacks, cache, seed, limits
        attacked = f"under attacks {attacks_hash()} seed {seed}"
        self._subjects = {name: f"mark {name} {method.hash} {attacked}" for name, method in methods.items()}

    def run(self, images: Sequence[Path], tell: Tell, watch: Watch) -> MarkTable:
        """All trials, those in the cache for free; pictures that can't be read are told and left out."""
        started, done, cached, total = time.monotonic(), 0, 0, len(images) * len(self._methods)
        embeddings: dict[str, list[Embedding | None]] = {name: [] for name in self._methods}
        trials: dict[str, dict[str, list[Trial | None]]] = {
            name: {attack.name: [] for attack in self._attacks} for name in self._methods
        }
        for path in images:
            try:
                picture = decode(read_file(path, self._limits), origin=str(path), limits=self._limits)
            except FiligraneError as error:
                tell(Fault(str(path), str(error)))
                total -= len(self._methods)
                continue
            for name in self._methods:
                found, fresh = self._measure(name, picture, tell)
                embeddings[name].append(Embedding(**found[EMBEDDING]) if found[EMBEDDING] else None)
                for attack in self._attacks:
                    value = found.get(attack.name)
                    trials[name][attack.name].append(Trial(**value) if value else None)
                done, cached = done + 1, cached + (not fresh)
                watch(Progress(done, total, cached, time.monotonic() - started))
        return MarkTable(
            tuple(attack.name for attack in self._attacks),
            {name: tuple(items) for name, items in embeddings.items()},
            {name: {attack: tuple(items) for attack, items in rows.items()} for name, rows in trials.items()},
        )

    def _measure(self, name: str, picture: Picture, tell: Tell) -> tuple[dict[str, Any], bool]:
        """Everything of one method on one picture, and whether any of it had to be computed."""
        method, subject = self._methods[name], self._subjects[name]
        found = self._cache.find(picture.sha256, subject)
        refused = EMBEDDING in found and found[EMBEDDING] is None
        missing = [attack for attack in self._attacks if attack.name not in found]
        if EMBEDDING in found and (refused or not missing):
            return found, False
        number = int(picture.sha256[:8], 16)
        payload = _payload(picture.sha256, self._seed, method.payload_bits)
        try:
            marked, embedding = _embed(method, picture.pixels, payload)
        except WatermarkError as error:
            tell(Fault(f"{picture.origin} ({name})", str(error)))
            self._cache.add([(picture.sha256, subject, EMBEDDING, None)])
            return {EMBEDDING: None}, True
        fresh = {EMBEDDING: embedding}
        for attack in missing:
            fresh[attack.name] = _read(method, attack.apply(marked, number), payload)
        self._cache.add((picture.sha256, subject, key, value) for key, value in fresh.items())
        return {**found, **fresh}, True


def _payload(sha256: str, seed: int, bits: int) -> int:
    """A payload that is the picture's own and the same in every run."""
    digest = hashlib.sha256(f"{seed} {sha256}".encode()).digest()
    return int.from_bytes(digest, "big") & ((1 << bits) - 1)


def _embed(method: Watermarker, pixels: Pixels, payload: int) -> tuple[Pixels, dict[str, float]]:
    started = time.process_time()
    marked = method.embed(pixels, payload)
    elapsed_ms = 1000 * (time.process_time() - started)
    cost = {"psnr_db": psnr_db(pixels, marked), "ssim": ssim(pixels, marked)}
    return marked, {**cost, "cpu_ms_per_mp": elapsed_ms / _megapixels(pixels)}


def _read(method: Watermarker, pixels: Pixels, payload: int) -> dict[str, Any]:
    started = time.process_time()
    reading = method.read(pixels)
    elapsed_ms = 1000 * (time.process_time() - started)
    bits, p_value = judged(reading, payload, method.payload_bits)
    cost = elapsed_ms / _megapixels(pixels)
    return {"recovered": reading.payload == payload, "p_value": p_value, "bits": bits, "cpu_ms_per_mp": cost}


def judged(reading: Reading, payload: int, bits: int) -> tuple[float, float]:
    """The share of right bits, and the p-value of detection, of a reading against the ``payload`` embedded.

    The p-value is the reader's own or, for readers that check nothing, that of guessing so many bits right (the test
    of Stable Signature, Fernandez et al., ICCV 2023). Nothing read is half of the bits.
    """
    from scipy.stats import binom

    if reading.payload is None:
        return 0.5, reading.p_value
    wrong = (reading.payload ^ payload).bit_count()
    return 1 - wrong / bits, min(reading.p_value, float(binom.sf(bits - wrong - 1, bits, 0.5)))


def psnr_db(first: Pixels, second: Pixels) -> float:
    """Peak signal-to-noise ratio over all three channels; 100 where nothing differs.

    >>> psnr_db(np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8))
    48.13...
    """
    error = float(np.mean(np.square(first.astype(np.float64) - second)))
    return 100.0 if error == 0 else 10 * float(np.log10(255**2 / error))


def ssim(first: Pixels, second: Pixels) -> float:
    """Structural similarity of the luma with the windows of Wang et al. (2004)."""
    try:
        from skimage.color import rgb2gray
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise MissingExtra("Measuring SSIM", "evaluate") from error
    grey = [np.asarray(rgb2gray(pixels)) for pixels in (first, second)]
    options = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    similarity: Callable[..., Any] = structural_similarity
    return float(similarity(*grey, **options))


def _megapixels(pixels: Pixels) -> float:
    return float(pixels.shape[0] * pixels.shape[1]) / 1e6


def pictures_in(folder: Path) -> list[Path]:
    """The pictures under ``folder``, sorted."""
    return [path for path, _ in pictures(folder)]
