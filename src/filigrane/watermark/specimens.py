"""What the learned receiver is trained on: pictures with random chips in them, attacked, and the truth.

The chips are drawn afresh for every specimen and follow no key, so that the network learns how a mark looks and not
which. A crop of a corpus is taken now for a whole small picture, now for a part of a larger one, by the scale at which
it is brought to the frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from filigrane.core.values import Pixels
from filigrane.perturb.base import load
from filigrane.watermark.carrier import SYNC_SHARE
from filigrane.watermark.frame import CELL_PX, LUMA, Plane, resized
from filigrane.watermark.layer import COLOUR
from filigrane.watermark.mask import visibility_mask

PATCH_PX = 256
"""Longest side of a specimen, in pixels of the frame."""
_PSNR_DB = (37.7, 43.0)
_RAISE_DB = (-3.0, 8.0)
"""Least and most that the layer is raised above what the mask calls hidden."""
_SHARES, _SHARE_ODDS = (1.0, 0.9, 0.7, 0.5), (0.5, 0.3, 0.1, 0.1)
"""Of each side that a crop leaves: the frame magnifies what is left."""

Places = NDArray[np.floating]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Specimen:
    """Luma of a marked and attacked picture in the frame, and which chips are where.

    ``luma`` float32 (h, w), both even; ``chips`` (m, n); ``down`` (2 m,) and ``across`` (2 n,) are the places, in
    pixels of ``luma``, of two samples for each chip; ``cell_px`` is the side of a chip there.
    """

    luma: Plane
    chips: Plane
    down: Places
    across: Places
    cell_px: float


def specimen(pixels: Pixels, rng: np.random.Generator) -> Specimen:
    """A specimen made of ``pixels``, uint8 (H, W, 3)."""
    turned = pixels[:, ::-1] if rng.random() < 0.5 else pixels
    turned = np.ascontiguousarray(turned.transpose(1, 0, 2) if rng.random() < 0.5 else turned)
    zoom = float(rng.choice([2.06, 1.5, 1.0, 0.7], p=[0.55, 0.15, 0.2, 0.1]))
    cell_px = CELL_PX * (float(rng.choice([1.5, 2.0], p=[0.8, 0.2])) if zoom > 1.6 else 1.0)
    luma = _fitted(_luma(turned), round(turned.shape[0] * zoom), round(turned.shape[1] * zoom))
    grid = _Grid(rng.uniform(0, cell_px, 2), np.array([cell_px, cell_px]))
    rows, columns = (int(side / cell_px) + 2 for side in luma.shape)
    chips = _chips(rows, columns, rng)
    plane = visibility_mask(luma) * chips[np.ix_(*(grid.cells(axis, luma.shape[axis]) for axis in range(2)))]
    attacked = _attacked(_marked(turned, plane, rng), rng)
    share = float(rng.choice(_SHARES, p=_SHARE_ODDS)) * float(rng.uniform(0.95, 1.0))
    seen = _fitted(_luma(attacked), round(luma.shape[0] / share), round(luma.shape[1] / share))
    return _cut(seen, chips, grid.stretched(np.array(seen.shape) / np.array(luma.shape)), rng)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Cells of the given sides, down and across, the first of which begins ``offset`` before the picture does."""

    offset: Places
    sides: Places

    def stretched(self, factors: Places) -> _Grid:
        return _Grid(self.offset * factors, self.sides * factors)

    def cells(self, axis: int, count: int) -> Index:
        """The cell that each of ``count`` pixels lies in."""
        return np.asarray((np.arange(count) + 0.5 + self.offset[axis]) / self.sides[axis], np.intp)

    def edges(self, axis: int, count: int) -> Places:
        """Where each of ``count`` cells begins, and the last one ends."""
        return np.asarray(np.arange(count + 1) * self.sides[axis] - self.offset[axis])


def _cut(seen: Plane, chips: Plane, grid: _Grid, rng: np.random.Generator) -> Specimen:
    """A patch of ``seen`` with the chips that lie wholly inside."""
    corner = [2 * int(rng.integers(0, max(0, side - PATCH_PX) // 2 + 1)) for side in seen.shape]
    size = [min(PATCH_PX, side - first) // 2 * 2 for side, first in zip(seen.shape, corner, strict=True)]
    kept, places = [], []
    for axis in range(2):
        edges = grid.edges(axis, chips.shape[axis]) - corner[axis]
        inside = np.flatnonzero((edges[:-1] >= 0) & (edges[1:] <= size[axis]))
        kept.append(inside)
        quarters = edges[inside, None] + grid.sides[axis] * np.array([0.25, 0.75])
        places.append(quarters.ravel().astype(np.float32))
    patch = np.ascontiguousarray(seen[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]])
    return Specimen(patch, chips[np.ix_(*kept)], places[0], places[1], float(grid.sides[0]))


def _chips(rows: int, columns: int, rng: np.random.Generator) -> Plane:
    """Chips as a carrier has them: one sign of most of the power, one of the rest."""
    data, sync = rng.choice([-1.0, 1.0], (2, rows, columns))
    return np.asarray(math.sqrt(1 - SYNC_SHARE) * data + math.sqrt(SYNC_SHARE) * sync, np.float32)


def _marked(pixels: Pixels, plane: Plane, rng: np.random.Generator) -> Pixels:
    """The picture with the layer ``plane`` of its frame, at a strength from the range that embedding uses."""
    layer = resized(plane, *pixels.shape[:2], grow=cv2.INTER_LINEAR)
    power = float(np.mean(np.square(layer))) * float(np.mean(np.square(COLOUR)))
    wanted_db = 10 * math.log10(255**2 / max(power, 1e-9)) - rng.uniform(*_PSNR_DB)
    strength = 10 ** (float(np.clip(wanted_db, _RAISE_DB[0], _RAISE_DB[1])) / 20)
    changed = pixels + (strength * layer)[..., None] * COLOUR
    return np.asarray(np.clip(np.rint(changed), 0, 255), np.uint8)


def _attacked(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    odds = np.array([often for often, _ in _ATTACKS])
    _, steps = _ATTACKS[int(rng.choice(len(_ATTACKS), p=odds / odds.sum()))]
    for attack, least, most in steps:
        pixels = load(attack).apply(pixels, float(rng.uniform(least, most)), rng)
    return pixels


_ATTACKS: tuple[tuple[int, tuple[tuple[str, float, float], ...]], ...] = (
    (5, ()),
    (20, (("jpeg", 25, 91),)),
    (8, (("webp", 50, 91),)),
    (8, (("resize", 0.45, 1.6),)),
    (4, (("resize_back", 0.45, 0.8),)),
    (27, (("resize", 0.55, 0.95), ("jpeg", 45, 84))),
    (14, (("gaussian_blur", 0.7, 2.3),)),
    (4, (("median", 3, 3),)),
    (6, (("gaussian_noise", 3, 12),)),
    (4, (("contrast", -0.4, 0.4), ("brightness", -0.3, 0.3))),
)
"""How often each chain of attacks is drawn, in percent, and from which strengths of the attack table; those that the
classical receiver is weakest under come most often. None crops or turns, so that the chips stay where they are."""


def _luma(pixels: Pixels) -> Plane:
    return np.asarray(pixels.astype(np.float32) @ np.array(LUMA, np.float32), np.float32)


def _fitted(luma: Plane, rows: int, columns: int) -> Plane:
    method = cv2.INTER_AREA if columns < luma.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(luma, (columns, rows), interpolation=method), np.float32)
