"""Finding the grid: hypotheses of scale, angle and mirroring, ranked by how clearly the sync pattern stands out.

Three stages, each only if the one before found nothing: the nominal grid in its eight orientations; a scan of scales,
for crops; and the lattice that the repeated tile leaves in the autocorrelation, for rotation and scale together (as in
Kutter, 1998, and Alattar and Meyer, 2003). A hypothesis costs a fold of the picture and a correlation of 64 x 64
values; only the few best of a stage are decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from filigrane.watermark.carrier import SIDE, Carrier
from filigrane.watermark.demodulate import FOLD, Folder, Grid
from filigrane.watermark.frame import CELL_SCALES
from filigrane.watermark.lattice import lattices

_SCALES = np.geomspace(0.8, 3.15, 230)
"""Scanned sizes of a cell: 1 / 2.25 to 1 / 0.8 of each side kept; steps of 0.6 % move the rim by under a pixel."""
_ANGLES = np.deg2rad([a for a in np.arange(-6.0, 6.1, 0.3) if a])
_REFINED = 12
"""Hits of a stage that are refined."""
_STEPS = (("scale", 0.0025), ("angle", 0.0025), ("down", 0.2), ("across", 0.2))
"""First steps of the refinement: relative, in radians, and in cells."""

Tile = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hit:
    """Where the sync pattern of carrier number ``key`` may lie: ``score`` is in standard deviations."""

    score: float
    key: int
    turn: int
    grid: Grid


class Search:
    """The hypotheses for one picture under several carriers."""

    def __init__(self, folder: Folder, carriers: Sequence[Carrier]) -> None:
        self._folder = folder
        self._carriers = carriers
        self._syncs = np.stack([[turned(carrier.sync, turn) for turn in range(8)] for carrier in carriers])
        doubled = self._syncs.repeat(2, axis=2).repeat(2, axis=3)
        self._spectra = np.conj(np.fft.rfft2(doubled)).astype(np.complex64)

    def hits(self, stage: str) -> list[Hit]:
        """The hits of the stage "nominal", "scaled" or "turned", best first."""
        return {"nominal": self._nominal, "scaled": self._scaled, "turned": self._turned}[stage]()

    def chips(self, hit: Hit) -> Tile:
        """The chips at ``hit``, turned upright."""
        return upright(self._folder.chips(hit.grid), hit.turn)

    def _nominal(self) -> list[Hit]:
        """Each carrier in each orientation on the nominal grid, best first."""
        hits = []
        for grid in (Grid(scale=scale) for scale in CELL_SCALES):
            chips = self._folder.chips(grid)
            scores = np.tensordot(self._syncs, chips, 2) / (np.linalg.norm(chips) + 1e-12)
            hits += [Hit(float(score), key, turn, grid) for (key, turn), score in np.ndenumerate(scores)]
        return sorted(hits, key=_clearest)

    def _scaled(self) -> list[Hit]:
        """The best hits over all scales, upright or mirrored."""
        return self._best([Grid(scale=float(scale)) for scale in _SCALES], turns=slice(0, 8, 4))

    def _turned(self) -> list[Hit]:
        """The best hits over small angles and over the lattices of the autocorrelation."""
        small = [Grid(scale=scale, angle=float(angle)) for scale in CELL_SCALES for angle in _ANGLES]
        return self._best([*small, *lattices(self._folder)], turns=slice(0, 8))

    def _best(self, grids: Sequence[Grid], *, turns: slice) -> list[Hit]:
        coarse = distinct(sorted((self._hit(grid, turns) for grid in grids), key=_clearest), _REFINED)
        return distinct(sorted((self._refined(hit) for hit in coarse), key=_clearest), _REFINED)

    def _hit(self, grid: Grid, turns: slice) -> Hit:
        """The best carrier, orientation (of ``turns``) and shift on the cells of ``grid``."""
        folded = self._folder.fold(grid)
        spectrum = np.fft.rfft2(folded)
        peaks = np.fft.irfft2(spectrum * self._spectra[:, turns], s=(FOLD, FOLD))
        key, turn, down, across = np.unravel_index(int(peaks.argmax()), peaks.shape)
        score = float(peaks[key, turn, down, across]) / (2 * float(np.linalg.norm(folded)) + 1e-12)
        shift = (_wrapped(int(down)), _wrapped(int(across)))
        return Hit(score, int(key), range(8)[turns][int(turn)], replace(grid, shift=shift))

    def _refined(self, hit: Hit) -> Hit:
        """The same hit after a short descent over scale, angle and shift."""
        best = self._rescored(hit, hit.grid)
        for shrink in (1.0, 0.5):
            for name, step in _STEPS:
                for move in (-step * shrink, step * shrink):
                    best = min(best, self._rescored(hit, _moved(best.grid, name, move)), key=_clearest)
        return best

    def _rescored(self, hit: Hit, grid: Grid) -> Hit:
        chips = self._folder.chips(grid)
        score = float(np.vdot(self._syncs[hit.key, hit.turn], chips)) / (float(np.linalg.norm(chips)) + 1e-12)
        return replace(hit, score=score, grid=grid)


def turned(tile: Tile, turn: int) -> Tile:
    """The tile in orientation ``turn``: 0–3 quarter turns, 4–7 the same of the mirror image."""
    return np.rot90(tile[:, ::-1] if turn >= 4 else tile, turn % 4)


def upright(tile: Tile, turn: int) -> Tile:
    """The inverse of `turned`."""
    back = np.rot90(tile, -(turn % 4))
    return np.ascontiguousarray(back[:, ::-1] if turn >= 4 else back)


def distinct(hits: Sequence[Hit], most: int) -> list[Hit]:
    """The first ``most`` hits, without those that an earlier one, nearly the same, already stands for."""
    kept: list[Hit] = []
    for hit in hits:
        if len(kept) == most:
            break
        if not any(_alike(hit, other) for other in kept):
            kept.append(hit)
    return kept


def _alike(one: Hit, other: Hit) -> bool:
    near = abs(one.grid.scale / other.grid.scale - 1) < 0.008 and abs(one.grid.angle - other.grid.angle) < 0.01
    apart = max(abs(a - b) for a, b in zip(one.grid.shift, other.grid.shift, strict=True))
    return near and apart < 1.5 and (one.key, one.turn) == (other.key, other.turn)


def _wrapped(samples: int) -> float:
    """A cyclic shift in samples as the nearest shift in cells."""
    return (samples - FOLD if samples > FOLD // 2 else samples) * SIDE / FOLD


def _moved(grid: Grid, name: str, move: float) -> Grid:
    down, across = grid.shift
    if name == "down":
        return replace(grid, shift=(down + move, across))
    if name == "across":
        return replace(grid, shift=(down, across + move))
    if name == "angle":
        return replace(grid, angle=grid.angle + move)
    return replace(grid, scale=grid.scale * (1 + move))


def _clearest(hit: Hit) -> float:
    """The key that sorts the clearest hit to the front."""
    return -hit.score
