"""The yardstick: its rows, their names and that they repeat exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import NotFound, UsageError
from filigrane.perturb import base
from filigrane.perturb.table import Attacked, attacks_hash, row, yardstick

Pixels = NDArray[np.uint8]


def test_yardstick_is_the_untouched_picture_and_thirty_three_attacks() -> None:
    rows = yardstick()
    assert rows[0] == Attacked("none", 0.0)
    assert len(rows) == 34
    assert len({row.name for row in rows}) == 34


@pytest.mark.parametrize("known", yardstick(), ids=lambda row: row.name)
def test_a_row_is_found_again_by_its_name(known: Attacked) -> None:
    assert row(known.name) == known


def test_an_unknown_attack_is_named_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="jpeg"):
        row("melt-3")


@pytest.mark.parametrize("name", ["jpeg", "jpeg-", "jpeg-abc", "jpeg-inf", "jpeg-101", "crop-0", "none-1", "median-x"])
def test_a_strength_that_means_nothing_is_refused_with_what_would(name: str) -> None:
    with pytest.raises(UsageError, match=r"from .+ to"):
        row(name)


def test_a_median_has_a_middle(scene: Pixels) -> None:
    with pytest.raises(UsageError, match="odd"):
        row("median-4").apply(scene)


def test_another_autoencoder_is_another_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = attacks_hash()
    assert attacks_hash() == before
    monkeypatch.setenv("FILIGRANE_WEIGHTS", str(tmp_path))
    (tmp_path / "autoencoder").mkdir()
    found = []
    for weights in (b"one", b"two"):
        (tmp_path / "autoencoder/config.json").write_bytes(b"{}")
        (tmp_path / "autoencoder/weights.safetensors").write_bytes(weights)
        found.append(attacks_hash())
    assert len({before, *found}) == 3


def test_random_rows_repeat_for_a_picture_and_differ_between_pictures(scene: Pixels) -> None:
    noisy = Attacked("gaussian_noise", 5.0)
    assert np.array_equal(noisy.apply(scene, 3), noisy.apply(scene, 3))
    assert not np.array_equal(noisy.apply(scene, 3), noisy.apply(scene, 4))


def test_crops_keep_the_stated_share_of_each_side(scene: Pixels) -> None:
    assert row("crop-0.5").apply(scene).shape == (120, 160, 3)
    assert np.array_equal(row("crop-0.5").apply(scene), scene[60:180, 80:240])
    assert row("random_crop-0.75").apply(scene).shape == (180, 240, 3)


def test_quarter_turns_and_mirrors_are_exact(scene: Pixels) -> None:
    assert np.array_equal(row("rotate-90").apply(scene), np.rot90(scene))
    assert np.array_equal(row("flip-1").apply(row("flip-1").apply(scene)), scene)


def test_social_limits_the_long_side_and_never_enlarges(scene: Pixels) -> None:
    assert row("social-100").apply(scene).shape == (75, 100, 3)
    assert row("social-1080").apply(scene).shape == scene.shape


def test_repost_is_crop_then_scale(scene: Pixels) -> None:
    assert row("repost-60").apply(scene).shape == (round(216 * 0.7), round(288 * 0.7), 3)


def test_noise_has_the_stated_deviation() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = row("gaussian_noise-10").apply(grey).astype(float) - 128
    assert abs(noise.std() - 10) < 0.2
    assert abs(noise.mean()) < 0.2


def test_cropped_windows_lie_where_they_are_asked_to(scene: Pixels) -> None:
    assert np.array_equal(base.cropped(scene, 0.5, across=0.0, down=0.0), scene[:120, :160])
    assert np.array_equal(base.cropped(scene, 0.5, across=1.0, down=1.0), scene[120:, 160:])
