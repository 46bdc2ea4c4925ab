import numpy as np
import pytest

from filigrane.generator.train import measure, sampling


def test_equal_distributions_are_near_and_others_far(rng: np.random.Generator) -> None:
    first, second, other = rng.standard_normal((3, 150, 8))
    assert abs(measure.kernel_distance(first, second)) < 0.2
    assert measure.kernel_distance(first, other + 2) > 1


def test_the_colour_of_the_middle_counts_and_not_of_the_rim() -> None:
    picture = np.full((64, 64, 3), (30, 60, 200), np.uint8)
    picture[12:52, 12:52] = (200, 20, 20)
    assert measure.colours_of(picture) == ("red",)


@pytest.mark.parametrize(
    "rgb, word",
    [((1.0, 1.0, 1.0), "white"), ((0.5, 0.5, 0.5), "grey"), ((0.4, 0.25, 0.1), "brown"), ((0.1, 0.6, 0.2), "green"),
     ((0.95, 0.85, 0.1), "yellow"), ((1.0, 0.55, 0.0), "orange"), ((0.95, 0.6, 0.7), "pink")],
)  # fmt: skip
def test_plain_colours_get_their_words(rgb: tuple[float, float, float], word: str) -> None:
    assert measure.colour_word(*rgb) == word


def test_a_copy_is_found_mirrored_too(rng: np.random.Generator) -> None:
    known = rng.integers(0, 256, (600, 64, 64, 3), dtype=np.uint8)
    places, distances = measure.nearest(known[[5, 590]][:, :, ::-1], known)
    assert places.tolist() == [5, 590] and np.all(distances < 1)


def test_the_judge_tells_apart_what_differs(rng: np.random.Generator) -> None:
    centres = rng.standard_normal((2, 120)) * 4
    rows = np.concatenate([centre + rng.standard_normal((220, 120)) for centre in centres])
    nouns = ["apple"] * 220 + ["pear"] * 220
    judge = measure.train_judge(rows[::2], nouns[::2])
    assert judge.name(rows[1::2]) == nouns[1::2]
    assert judge.embed(rows).shape[0] == 440


def test_features_have_one_row_a_picture(rng: np.random.Generator) -> None:
    pictures = rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    rows = measure.features(pictures)
    assert rows.shape[0] == 3 and np.isfinite(rows).all()


def test_a_sheet_keeps_every_picture_in_reading_order() -> None:
    pictures = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    sheet = sampling.tiled(pictures, 3)
    assert sheet[::2, ::2, 0].tolist() == [[0, 1, 2], [3, 4, 255]]
