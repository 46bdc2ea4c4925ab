"""A look survives what the world does to pictures, and no other picture has it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.perturb.table import row
from filigrane.provenance.fingerprint import BITS, SIDE_PX, Look, compare, distance, fingerprint
from filigrane.provenance.registry import MAX_DISTANCE

Scene = NDArray[np.uint8]


def other(rng: np.random.Generator) -> Scene:
    """A picture with nothing in common with the scene: uint8 (240, 320, 3)."""
    coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 20, axis=0), 20, axis=1)


def test_a_fingerprint_has_256_bits_and_a_thumbnail_of_the_same_shape(scene: Scene) -> None:
    look = fingerprint(scene)
    assert len(look.bits) * 8 == BITS
    assert look.thumbnail.shape == (SIDE_PX * 240 // 320, SIDE_PX)


@pytest.mark.parametrize(
    "name", ["jpeg-50", "webp-75", "resize-0.5", "brightness--0.3", "gaussian_blur-1", "screenshot-0.8"]
)
def test_mild_changes_stay_within_reach_of_the_search(scene: Scene, name: str) -> None:
    assert distance(fingerprint(row(name).apply(scene)).bits, fingerprint(scene).bits) <= MAX_DISTANCE


@pytest.mark.parametrize(
    "name", ["none", "jpeg-30", "crop-0.75", "crop-0.5", "repost-60", "rotate-5", "rotate-90", "flip-1"]
)
def test_a_copy_looks_the_same(scene: Scene, name: str) -> None:
    assert compare(fingerprint(row(name).apply(scene)), fingerprint(scene)).look is Look.SAME


def test_a_copy_inside_a_larger_picture_looks_the_same(scene: Scene) -> None:
    framed = np.pad(scene, ((40, 60), (30, 30), (0, 0)), constant_values=200)
    assert compare(fingerprint(framed), fingerprint(scene)).look is Look.SAME


def test_another_picture_looks_different(scene: Scene, rng: np.random.Generator) -> None:
    found = compare(fingerprint(other(rng)), fingerprint(scene))
    assert found.look is Look.DIFFERENT
    assert found.distance > 2 * MAX_DISTANCE


def test_a_picture_without_structure_is_never_judged(scene: Scene) -> None:
    flat = np.full((200, 200, 3), 128, np.uint8)
    assert compare(fingerprint(flat), fingerprint(scene)).look is Look.UNSURE
    assert compare(fingerprint(scene), fingerprint(flat)).look is Look.UNSURE


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 900, 3), (900, 1, 3), (5, 5, 3), (16, 3000, 3)])
def test_any_size_has_a_fingerprint_and_can_be_compared(shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    look = fingerprint(rng.integers(0, 256, shape, dtype=np.uint8))
    assert compare(look, look).look in Look
