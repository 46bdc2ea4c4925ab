"""The probe flags a set that leaks and clears the same pictures once they are saved alike; duplicates are found."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from filigrane.core.image import decode
from filigrane.core.values import Pixels
from filigrane.eval.honesty import Known, contradictions, leak_warning, probe, shared
from filigrane.eval.traits import Traits, traits


def _file(pixels: Pixels, format: str, **options: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format, **options)
    return stream.getvalue()


def _pictures(scene: Pixels, rng: np.random.Generator, count: int) -> list[Pixels]:
    """Windows of the scene, no two alike, with contrast of their own."""
    pictures = []
    for _ in range(count):
        top, left = rng.integers(0, 240 - 96), rng.integers(0, 320 - 96)
        window = scene[top : top + 96, left : left + 96] * rng.uniform(0.7, 1.0) + rng.normal(0, 3, (96, 96, 3))
        pictures.append(np.clip(window, 0, 255).astype(np.uint8))
    return pictures


LABELS = np.repeat([0, 1], 60).astype(np.int8)


@pytest.fixture
def windows(scene: Pixels, rng: np.random.Generator) -> list[Pixels]:
    return _pictures(scene, rng, 120)


def _probe(files: list[bytes]) -> str | None:
    row = probe([traits(decode(data)) for data in files], LABELS, np.arange(len(files)))
    assert row.value is not None
    return leak_warning(row)


def test_probe_flags_reals_in_jpeg_and_fakes_in_png(windows: list[Pixels]) -> None:
    files = [
        _file(p, "PNG") if label else _file(p, "JPEG", quality=90) for p, label in zip(windows, LABELS, strict=True)
    ]
    warning = _probe(files)
    assert warning is not None
    assert "sees no pixel" in warning


def test_probe_flags_a_difference_of_quality_alone(windows: list[Pixels]) -> None:
    assert _probe([_file(p, "JPEG", quality=80 + 5 * int(k)) for p, k in zip(windows, LABELS, strict=True)]) is not None


def test_probe_clears_the_matched_set(windows: list[Pixels]) -> None:
    assert _probe([_file(p, "JPEG", quality=90) for p in windows]) is None


def test_probe_says_nothing_of_too_few_pictures(windows: list[Pixels]) -> None:
    row = probe([traits(decode(_file(p, "PNG"))) for p in windows[:20]], LABELS[50:70], np.arange(20))
    assert row.value is None
    assert leak_warning(row) is None
    assert "needs" in row.note


def test_traits_survive_the_cache(windows: list[Pixels]) -> None:
    found = traits(decode(_file(windows[0], "JPEG", quality=70)))
    assert Traits.from_json(found.to_json()) == found


def test_features_are_as_many_for_every_format(scene: Pixels) -> None:
    counts = {
        len(traits(decode(_file(scene, name))).features) for name in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
    }
    assert len(counts) == 1


def _known(name: str, data: bytes, label: int = 0) -> Known:
    picture = decode(data)
    return Known(name, picture.sha256, label, traits(picture))


def test_duplicates_are_found_exact_and_re_encoded_and_no_others(windows: list[Pixels], scene: Pixels) -> None:
    wide = np.asarray(Image.fromarray(scene).resize((640, 480)))
    upside_down = np.ascontiguousarray(scene[::-1, :, ::-1])
    train = [_known("scene.png", _file(scene, "PNG"))]
    train += [_known(f"{i}.png", _file(p, "PNG")) for i, p in enumerate(windows[:10])]
    test = [
        _known("same.png", _file(scene, "PNG")),
        _known("copy.jpg", _file(wide, "JPEG", quality=60)),
        _known("other.png", _file(upside_down, "PNG")),
    ]
    pairs = {pair.second: (pair.first, pair.exact) for pair in shared(train, test)}
    assert pairs == {"same.png": ("scene.png", True), "copy.jpg": ("scene.png", False)}
    assert shared([], test) == ()


def test_one_picture_cannot_be_both_real_and_ai(scene: Pixels) -> None:
    data = _file(scene, "PNG")
    (pair,) = contradictions([_known("a", data, 0), _known("b", data, 1), _known("c", data, 0)])
    assert (pair.first, pair.second) == ("a", "b")
