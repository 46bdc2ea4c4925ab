"""Laws of the mark in the noise: it reads back, it stays normal noise, and nobody reads it without the key."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filigrane.core.errors import UsageError, WatermarkError
from filigrane.generator.latent.mark import (
    ACCEPT,
    LEAST_DIMENSIONS,
    NUMBER_BITS,
    LatentMark,
    read_any,
    registered_id,
)

KEY = b"k" * 32
SIZE = 4096
MARK = LatentMark(KEY, SIZE)


@settings(max_examples=10, deadline=None)
@given(number=st.integers(0, 2**NUMBER_BITS - 1), seed=st.integers(0, 99))
def test_what_was_written_is_read_through_strong_noise(number: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = MARK.noise(number, rng) + 1.5 * rng.standard_normal(SIZE)
    reading = MARK.read(noise)
    assert reading.found and reading.number == number


@settings(max_examples=5, deadline=None)
@given(scale=st.floats(1e-3, 1e3))
def test_the_scale_of_the_noise_does_not_matter(scale: float) -> None:
    noise = MARK.noise(77, np.random.default_rng(1))
    assert MARK.read(scale * noise).number == 77


def test_marked_noise_is_normal_and_fresh_for_each_number(rng: np.random.Generator) -> None:
    draws = np.stack([MARK.noise(int(rng.integers(2**NUMBER_BITS)), rng) for _ in range(40)])
    flat = np.sort(draws.ravel())
    assert abs(flat.mean()) < 0.01 and abs(flat.std() - 1) < 0.01
    assert abs((np.abs(flat) < 0.6745).mean() - 0.5) < 0.01
    agreement = np.abs(np.atleast_2d(np.corrcoef(draws)))
    assert agreement[~np.eye(len(draws), dtype=bool)].max() < 6 / np.sqrt(SIZE)


def test_plain_noise_is_never_found(rng: np.random.Generator) -> None:
    readings = [MARK.read(rng.standard_normal(SIZE)) for _ in range(30)]
    assert min(reading.p_value for reading in readings) > ACCEPT
    assert all(reading.number is None for reading in readings)


def test_another_key_reads_nothing_and_several_are_tried(rng: np.random.Generator) -> None:
    noise = MARK.noise(5, rng)
    assert not read_any((b"o" * 32,), noise).found
    reading = read_any((b"o" * 32, KEY), noise)
    assert reading.number == 5 and reading.key == 1


def test_a_mark_tried_too_often_is_no_mark(rng: np.random.Generator) -> None:
    reading = MARK.read(MARK.noise(5, rng) + 3 * rng.standard_normal(SIZE))
    assert reading.found
    assert not reading.tried(10**60).found and reading.tried(10**60).number is None


@pytest.mark.parametrize("noise", [np.zeros(SIZE), np.full(SIZE, np.inf), np.full(SIZE, np.nan), np.ones(SIZE)])
def test_degenerate_noise_gives_a_value(noise: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        assert not MARK.read(noise).found


def test_what_does_not_fit_is_an_error(rng: np.random.Generator) -> None:
    with pytest.raises(WatermarkError, match="latent"):
        LatentMark(KEY, LEAST_DIMENSIONS - 1)
    with pytest.raises(UsageError, match="number"):
        MARK.noise(2**NUMBER_BITS, rng)


def test_ids_differ_by_number_and_by_key() -> None:
    ids = {registered_id(key, number) for key in (KEY, b"o" * 32) for number in range(100)}
    assert len(ids) == 200 and max(ids) < 2**60
