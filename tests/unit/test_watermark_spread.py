"""The spread mark: what it survives, what it costs, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import UsageError, WatermarkError
from filigrane.perturb.table import row
from filigrane.watermark.carrier import Carrier
from filigrane.watermark.keys import PUBLIC_KEY, Key, KeyRing, ring
from filigrane.watermark.methods.spread import Spread, build
from filigrane.watermark.search import turned, upright

Pixels = NDArray[np.uint8]
IDENTITY = 0x0ABCDEF01234567


@pytest.fixture(scope="module")
def method() -> Spread:
    return build()


@pytest.fixture(scope="module")
def photo() -> Pixels:
    """A drawn photograph, uint8 (400, 560, 3): sky, slopes, and texture of several scales."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:400, 0:560]
    ground = y > 180 + 40 * np.sin(x / 70)
    texture = sum(np.kron(rng.normal(0, 7, (400 // s, 560 // s)), np.ones((s, s))) for s in (1, 2, 5, 10, 20))
    luma = np.where(ground, 90 + texture, 190 - y / 6 + rng.normal(0, 1, (400, 560)))
    colour = np.clip(luma[..., None] + np.array([0.0, 8.0, -12.0]), 0, 255)
    return np.asarray(colour, np.uint8)


@pytest.fixture(scope="module")
def marked(method: Spread, photo: Pixels) -> Pixels:
    return method.embed(photo, IDENTITY)


@pytest.fixture(scope="module")
def small(method: Spread, photo: Pixels) -> Pixels:
    """A marked picture of 240 x 240 pixels."""
    return method.embed(photo[100:340, 200:440].copy(), IDENTITY)


def test_a_mark_reads_back_with_its_bound(method: Spread, marked: Pixels) -> None:
    reading = method.read(marked)
    assert reading.payload == IDENTITY
    assert reading.p_value <= 1e-7
    assert reading.key_id == PUBLIC_KEY.id
    assert reading.method == "spread"


def test_a_mark_costs_little(photo: Pixels, marked: Pixels) -> None:
    assert marked.shape == photo.shape
    error = np.mean((marked.astype(float) - photo) ** 2)
    assert 10 * np.log10(255**2 / error) >= 38


@pytest.mark.parametrize(
    "attack",
    [
        *("jpeg-75", "jpeg-50", "webp-75", "resize-0.5", "resize-2", "resize_back-0.5", "crop-0.9", "crop-0.5"),
        *("random_crop-0.75", "rotate-2", "rotate-5", "rotate-90", "rotate-180", "flip-1", "flip-2", "median-3"),
        *("gaussian_blur-2", "gaussian_noise-10", "brightness-0.3", "brightness--0.3", "contrast-0.3"),
        *("contrast--0.3", "saturation-0.5", "greyscale-1", "screenshot-0.8", "repost-60"),
    ],
)
def test_a_mark_survives(method: Spread, marked: Pixels, attack: str) -> None:
    assert method.read(row(attack).apply(marked)).payload == IDENTITY


@pytest.mark.parametrize("attack", ["jpeg-30", "webp-75", "gaussian_blur-2", "crop-0.9", "screenshot-0.8", "repost-60"])
def test_a_mark_survives_in_a_small_picture(method: Spread, small: Pixels, attack: str) -> None:
    assert method.read(row(attack).apply(small)).payload == IDENTITY


def test_nothing_is_read_where_nothing_was_written(method: Spread, photo: Pixels) -> None:
    reading = method.read(photo)
    assert reading.payload is None
    assert reading.p_value == 1.0


@pytest.mark.parametrize("shape", [(1, 1), (8, 300), (47, 47), (64, 64), (50, 3000)])
def test_any_size_can_be_read(method: Spread, shape: tuple[int, int], rng: np.random.Generator) -> None:
    assert method.read(rng.integers(0, 256, (*shape, 3)).astype(np.uint8)).payload is None


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_picture_is_never_called_marked_unless_it_reads_back(method: Spread, value: int) -> None:
    flat = np.full((256, 256, 3), value, np.uint8)
    try:
        result = method.embed(flat, 7)
    except WatermarkError:
        return
    assert method.read(result).payload == 7


def test_noise_that_drowns_the_mark_is_refused(method: Spread, rng: np.random.Generator) -> None:
    noise = (rng.integers(0, 2, (192, 192, 1)) * 255).astype(np.uint8).repeat(3, axis=2)
    with pytest.raises(WatermarkError, match="reads back"):
        method.embed(noise, 1)


def test_small_pictures_are_refused_in_a_sentence(method: Spread, photo: Pixels) -> None:
    with pytest.raises(WatermarkError, match="at least 192 pixels"):
        method.embed(photo[:191], 1)
    small = method.embed(photo[100:292, 100:292].copy(), 9)
    assert method.read(small).payload == 9


def test_payloads_of_more_than_sixty_bits_are_refused(method: Spread, photo: Pixels) -> None:
    with pytest.raises(UsageError):
        method.embed(photo, 1 << 60)


def test_a_ring_reads_what_any_of_its_keys_wrote_and_others_read_nothing(photo: Pixels) -> None:
    old, new, other = (
        Key(profile="private", secret=bytes([n] * 32), created=datetime(2026, 1, 1 + n, tzinfo=UTC)) for n in range(3)
    )
    written = Spread(ring((old,))).embed(photo, 11)
    reading = Spread(ring((old, new))).read(written)
    assert (reading.payload, reading.key_id) == (11, old.id)
    assert Spread(ring((other,))).read(written).payload is None


def test_another_key_strength_or_receiver_is_another_method() -> None:
    key = Key(profile="private", secret=b"a" * 32, created=datetime(2026, 1, 1, tzinfo=UTC))
    made = [build(), build(learned=False), build(strength_db=1.0), build(keys=ring((key,)))]
    assert len({method.hash for method in made}) == 4


def test_equal_input_gives_equal_output_and_leaves_the_picture_alone(
    method: Spread, photo: Pixels, marked: Pixels
) -> None:
    before = photo.copy()
    assert np.array_equal(method.embed(photo, IDENTITY), marked)
    assert np.array_equal(photo, before)


def test_a_narrow_ring_still_has_a_key_to_embed_with(photo: Pixels) -> None:
    assert Spread(KeyRing()).read(Spread(KeyRing()).embed(photo, 3)).payload == 3


@pytest.mark.parametrize("turn", range(8))
def test_every_orientation_is_undone(turn: int, rng: np.random.Generator) -> None:
    tile = rng.normal(size=(32, 32)).astype(np.float32)
    assert np.array_equal(upright(turned(tile, turn), turn), tile)


def test_the_carrier_is_the_same_on_every_machine() -> None:
    carrier = Carrier(PUBLIC_KEY.secret)
    assert carrier.sync[0, :12].tolist() == [1, 1, -1, -1, 1, 1, -1, -1, 1, 1, 1, 1]
