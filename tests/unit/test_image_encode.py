"""What is written reads back."""

from __future__ import annotations

import numpy as np
import pytest

from filigrane.core.errors import UsageError
from filigrane.core.image import MEDIA_TYPES, decode, encode
from filigrane.core.values import Pixels


@pytest.mark.parametrize(("name", "quality"), [("png", 95), ("tiff", 95), ("bmp", 95), ("webp", None)])
def test_lossless_formats_keep_every_bit(scene: Pixels, name: str, quality: int | None) -> None:
    assert np.array_equal(decode(encode(scene, name, quality=quality)).pixels, scene)


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "heic"])
def test_higher_quality_is_closer_and_larger(scene: Pixels, name: str) -> None:
    files = [encode(scene, name, quality=quality) for quality in (30, 95, None)]
    errors = [np.abs(decode(file).pixels.astype(float) - scene).mean() for file in files]
    assert errors[0] > errors[1] > errors[2]
    assert len(files[0]) < len(files[1]) < len(files[2])


@pytest.mark.parametrize("name", ["png", "tiff", "webp", "avif", "heic"])
def test_alpha_survives(scene: Pixels, name: str) -> None:
    alpha = np.tile(np.repeat(np.array([0, 85, 170, 255], np.uint8), 80), (240, 1))
    picture = decode(encode(scene, name, alpha=alpha, quality=None))
    assert picture.alpha is not None
    assert np.abs(picture.alpha.astype(int) - alpha).mean() < 1


@pytest.mark.parametrize("name", ["jpeg", "gif", "bmp"])
def test_alpha_is_not_dropped_silently(scene: Pixels, name: str) -> None:
    with pytest.raises(UsageError, match="alpha"):
        encode(scene, name, alpha=scene[..., 0])


def test_what_cannot_be_written_gives_a_sentence() -> None:
    wide = np.zeros((1, 70_000, 3), np.uint8)
    for name, words in (("jpeg", "70000 x 1"), ("webp", "70000 x 1"), ("jxl", ", ".join(MEDIA_TYPES))):
        with pytest.raises(UsageError, match=words):
            encode(wide, name)
