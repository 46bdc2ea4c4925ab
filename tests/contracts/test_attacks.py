"""What holds for every attack, found by file name."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.perturb import base
from filigrane.perturb.table import yardstick

Pixels = NDArray[np.uint8]


@pytest.mark.parametrize("name", base.names())
class TestEveryAttack:
    def test_carries_its_file_name_and_explains_its_strengths(self, name: str) -> None:
        attack = base.load(name)
        assert attack.name == name
        assert attack.unit
        assert attack.strengths

    def test_gives_pixels_and_leaves_its_input_alone(self, name: str, scene: Pixels) -> None:
        attack, before = base.load(name), scene.copy()
        for strength in attack.strengths:
            after = attack.apply(scene, strength, np.random.default_rng(1))
            assert after.dtype == np.uint8
            assert after.ndim == 3
            assert after.shape[2] == 3
            assert not np.shares_memory(after, scene)
        assert np.array_equal(scene, before)

    def test_equal_seeds_give_equal_pictures(self, name: str, scene: Pixels) -> None:
        attack = base.load(name)
        strength = attack.strengths[0]
        first, second = (attack.apply(scene, strength, np.random.default_rng(7)) for _ in range(2))
        assert np.array_equal(first, second)

    def test_survives_a_picture_of_few_pixels(self, name: str) -> None:
        attack = base.load(name)
        tiny = np.full((9, 7, 3), 200, np.uint8)
        for strength in attack.strengths:
            assert attack.apply(tiny, strength, np.random.default_rng(1)).size > 0


@pytest.mark.parametrize("row", yardstick(), ids=lambda row: row.name)
def test_every_row_of_the_yardstick_but_the_first_changes_the_picture(row, scene: Pixels) -> None:  # type: ignore[no-untyped-def]
    large = np.tile(scene, (4, 4, 1))
    after = row.apply(large)
    assert (row.attack == "none") == (after.shape == large.shape and np.array_equal(after, large))
