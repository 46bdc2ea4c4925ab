"""What holds for every attack, found by file name."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import MissingExtra, NotFound
from filigrane.perturb import base
from filigrane.perturb.table import yardstick

Pixels = NDArray[np.uint8]


@pytest.fixture
def attack(name: str) -> base.Attack:
    """The attack called ``name``; skips with its own sentence where what it needs is not installed."""
    found = base.load(name)
    try:
        found.apply(np.zeros((1, 1, 3), np.uint8), found.strengths[0], np.random.default_rng(0))
    except (MissingExtra, NotFound) as error:
        pytest.skip(str(error))
    return found


@pytest.mark.parametrize("name", base.names())
class TestEveryAttack:
    def test_carries_its_file_name_and_explains_its_strengths(self, name: str) -> None:
        found = base.load(name)
        assert found.name == name
        assert found.unit
        least, most = found.bounds
        assert found.strengths
        assert all(least <= strength <= most for strength in found.strengths)

    def test_gives_pixels_and_leaves_its_input_alone(self, attack: base.Attack, scene: Pixels) -> None:
        before = scene.copy()
        for strength in attack.strengths:
            after = attack.apply(scene, strength, np.random.default_rng(1))
            assert after.dtype == np.uint8
            assert after.ndim == 3
            assert after.shape[2] == 3
            assert not np.shares_memory(after, scene)
        assert np.array_equal(scene, before)

    def test_equal_seeds_give_equal_pictures(self, attack: base.Attack, scene: Pixels) -> None:
        strength = attack.strengths[0]
        first, second = (attack.apply(scene, strength, np.random.default_rng(7)) for _ in range(2))
        assert np.array_equal(first, second)

    def test_survives_a_picture_of_few_pixels(self, attack: base.Attack) -> None:
        tiny = np.full((9, 7, 3), 200, np.uint8)
        for strength in attack.strengths:
            assert attack.apply(tiny, strength, np.random.default_rng(1)).size > 0


@pytest.mark.parametrize("row", yardstick(), ids=lambda row: row.name)
def test_every_row_of_the_yardstick_but_the_first_changes_the_picture(row, scene: Pixels) -> None:  # type: ignore[no-untyped-def]
    large = np.tile(scene, (4, 4, 1))
    after = row.apply(large)
    assert (row.attack == "none") == (after.shape == large.shape and np.array_equal(after, large))
