"""What holds for every watermark method, found by file name."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core import plugins
from filigrane.core.errors import MissingExtra, UsageError, WatermarkError
from filigrane.core.values import Reading
from filigrane.watermark.base import METHODS, Watermarker, load

Pixels = NDArray[np.uint8]


@pytest.fixture(params=plugins.names(METHODS))
def method(request: pytest.FixtureRequest) -> Watermarker:
    try:
        built = load(request.param)
    except MissingExtra as error:
        assert request.param in str(error) or error.extra.replace("-", "_") in request.param
        pytest.skip(str(error))
    assert built.name == request.param
    return built


@pytest.fixture
def photo(scene: Pixels, rng: np.random.Generator) -> Pixels:
    large = np.tile(scene, (2, 2, 1))
    return np.clip(large + rng.normal(0, 5, (*large.shape[:2], 1)), 0, 255).astype(np.uint8)


def test_what_is_embedded_is_read(method: Watermarker, photo: Pixels) -> None:
    if not method.can_embed:
        pytest.skip(f"{method.name} only reads")
    payload = (1 << method.payload_bits) // 3
    before = photo.copy()
    marked = method.embed(photo, payload)
    assert np.array_equal(photo, before)
    assert marked.shape == photo.shape
    assert marked.dtype == np.uint8
    reading = method.read(marked)
    assert isinstance(reading, Reading)
    assert reading.method == method.name
    assert 0 <= reading.p_value <= 1


def test_equal_methods_have_equal_hashes(method: Watermarker) -> None:
    assert method.hash == load(method.name).hash


def test_a_bad_payload_or_a_mark_that_is_only_read_is_refused(method: Watermarker, photo: Pixels) -> None:
    with pytest.raises(UsageError if method.can_embed else WatermarkError):
        method.embed(photo, 1 << method.payload_bits)


def test_an_unmarked_picture_gives_no_payload_that_claims_to_be_sure(method: Watermarker, photo: Pixels) -> None:
    reading = method.read(photo)
    assert reading.payload is None or reading.p_value > 1e-6
