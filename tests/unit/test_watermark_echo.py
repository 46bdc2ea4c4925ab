"""How embedding listens to itself: what it hears is what a reader would hear, and no more than it is asked for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.perturb.table import row
from filigrane.watermark.carrier import CHIPS, Carrier
from filigrane.watermark.demodulate import Folder, Grid, narrow
from filigrane.watermark.echo import Echo, clearness
from filigrane.watermark.frame import frame_of
from filigrane.watermark.layer import COLOUR, Layer, taper

Pixels = NDArray[np.uint8]


@pytest.fixture
def carrier() -> Carrier:
    return Carrier(b"k" * 32)


@pytest.fixture
def code(rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 2, CHIPS).astype(np.uint8)


def test_the_jpeg_of_the_luma_alone_is_that_of_the_picture(scene: Pixels, carrier: Carrier) -> None:
    _, data = cv2.imencode(".jpg", scene[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])
    whole = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.float32)
    assert np.abs(Echo(scene, carrier, ()).jpeg - whole).mean() < 0.1


def test_a_mark_is_heard_after_every_ordeal_and_better_the_stronger(
    scene: Pixels, carrier: Carrier, code: NDArray[np.uint8]
) -> None:
    layer = Layer(scene, carrier.tile(code))
    weak, strong = (Echo(layer.added(strength_db), carrier, (narrow,)) for strength_db in (2.0, 8.0))
    for ordeal in (Echo.compressed, Echo.middle, Echo.halved, Echo.reposted, Echo.blurred):
        (before,), (after,) = ordeal(weak), ordeal(strong)
        assert clearness(after.soft, code) > max(clearness(before.soft, code), 20)
        assert after.sync > 2


def test_without_a_mark_there_is_nothing_to_hear(scene: Pixels, carrier: Carrier, code: NDArray[np.uint8]) -> None:
    heard = Echo(scene, carrier, ()).plain
    assert abs(clearness(heard.soft, code)) < 20
    assert abs(heard.sync) < 5


def test_a_crop_is_heard_as_the_cropped_picture_is(scene: Pixels, carrier: Carrier, code: NDArray[np.uint8]) -> None:
    marked = Layer(scene, carrier.tile(code)).added(6.0)
    (heard,) = Echo(marked, carrier, (narrow,)).halved()
    cropped = row("crop-0.5").apply(marked)
    frame = frame_of(cropped)
    tile = Folder(narrow(frame.luma(cropped)), frame).chips(Grid(scale=2 * frame_of(scene).cell_scale))
    assert np.corrcoef(heard.soft, carrier.soft(tile))[0, 1] > 0.95


def test_the_rim_carries_least_and_no_place_more_than_its_share() -> None:
    weights = taper((40, 60))
    assert weights.max() == 1.0
    assert weights[0, 0] == weights[-1, -1] == weights.min() > 0
    assert np.array_equal(weights, weights[::-1, ::-1])


def test_the_colour_of_the_mark_moves_luma_by_one() -> None:
    assert np.dot(COLOUR, (0.299, 0.587, 0.114)) == pytest.approx(1.0)
