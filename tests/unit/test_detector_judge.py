"""Laws of looking: native crops that reach every edge, one number for a picture, and a map of where it comes from."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from filigrane.detector import explain, judge
from filigrane.detector.calibrate import Calibration

Pixels = NDArray[np.uint8]


class Redness:
    """A detector that takes red for AI."""

    name = "redness"
    hash = "redness"
    size_px = 100

    def llr(self, batch: Pixels) -> NDArray[np.float64]:
        """The mean of the red channel, -2 to 2."""
        return np.asarray(batch[..., 0].mean(axis=(1, 2)) / 64.0 - 2)


@pytest.fixture
def plain() -> Calibration:
    return Calibration(2.0, 1.0, 0.5, 0.02, 0.5, 500, "drawn")


@pytest.mark.parametrize(("width", "height"), [(64, 64), (100, 100), (101, 300), (4000, 250), (1000, 1000)])
@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_crops_are_native_reach_the_edges_and_stay_few(width: int, height: int, overlap: float) -> None:
    found = judge.grid(width, height, size_px=100, most=6, overlap=overlap)
    pixels = np.arange(width * height * 3, dtype=np.uint32).astype(np.uint8).reshape(height, width, 3)
    crops = found.crops(pixels)
    assert 1 <= len(crops) <= 6
    assert crops.shape[1:] == (min(100, height), min(100, width), 3)
    for lefts, side, whole in ((found.lefts_px, found.width_px, width), (found.tops_px, found.height_px, height)):
        assert min(lefts) >= 0 and max(lefts) + side <= whole
        if len(lefts) > 1:
            assert (min(lefts), max(lefts) + side) == (0, whole)
    assert np.array_equal(
        crops[0], pixels[found.tops_px[0] :, found.lefts_px[0] :][: found.height_px, : found.width_px]
    )


def test_a_score_is_the_mean_over_the_picture(plain: Calibration) -> None:
    half = np.zeros((100, 200, 3), np.uint8)
    half[:, 100:, 0] = 255
    assert judge.score(Redness(), plain, half) == pytest.approx(255 / 2 / 64 - 2)


def test_the_second_pass_sees_another_file_of_the_same_picture(scene: Pixels, plain: Calibration) -> None:
    first, second = judge.score(Redness(), plain, scene), judge.second_score(Redness(), plain, scene)
    assert first != second
    assert first == pytest.approx(second, abs=0.1)


def test_the_map_points_to_the_pasted_part(plain: Calibration) -> None:
    pixels = np.full((512, 640, 3), 60, np.uint8)
    pixels[300:, 450:, 0] = 255
    found = explain.heat_map(Redness(), pixels, plain)
    x, y = found.peak_px
    assert x > 450 and y > 300
    assert len(found.centres_px) == found.llr.size <= explain.MOST_CROPS
    assert found.llr.max() <= 2.0 * 2 + 1.0


def test_the_overlay_is_a_small_png_red_where_the_signs_are(plain: Calibration) -> None:
    pixels = np.full((1200, 1600, 3), 60, np.uint8)
    pixels[:, 800:, 0] = 255
    drawn = Image.open(io.BytesIO(explain.overlay(pixels, explain.heat_map(Redness(), pixels, plain))))
    assert drawn.format == "PNG" and max(drawn.size) == 1024
    values = np.asarray(drawn).astype(int)
    assert values[:, -1, 0].mean() > values[:, -1, 2].mean()
    assert values[:, 0, 2].mean() > values[:, 0, 0].mean()


def test_a_layer_is_red_for_ai_blue_against_it_and_clear_between() -> None:
    drawn = np.asarray(explain.layer(np.array([[9.0, 0.0, -9.0]]), (3, 1)))[0].astype(int)
    assert drawn[0, 0] > drawn[0, 2] and drawn[2, 2] > drawn[2, 0]
    assert drawn[1, 3] == 0 and drawn[0, 3] == drawn[2, 3] == 153
