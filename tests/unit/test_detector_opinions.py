"""Laws of the models without a network: what is stored is what was fitted, and broken weights are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import UnreadableInput
from filigrane.core.weights import Card
from filigrane.detector import models
from filigrane.detector.models import _selves, _statistics, _trees

pytest.importorskip("sklearn")
pytest.importorskip("safetensors")

Pixels = NDArray[np.uint8]


@pytest.fixture
def card() -> Card:
    return Card("own", "spectral", "own.safetensors", "", 192, (0.5,) * 3, (0.5,) * 3, "Apache-2.0", 1)


@pytest.fixture
def noisy(rng: np.random.Generator) -> Pixels:
    return rng.normal(128, 20, (8, 64, 72, 3)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def flat(rng: np.random.Generator) -> Pixels:
    ramp = np.linspace(0, 200, 72)[None, None, :, None] + rng.uniform(0, 50, (8, 1, 1, 1))
    return np.broadcast_to(ramp, (8, 64, 72, 3)).astype(np.uint8)


def test_stored_trees_say_what_the_library_says(rng: np.random.Generator) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = rng.normal(size=(400, 5)).astype(np.float32)
    model = HistGradientBoostingClassifier(max_iter=12).fit(rows, rows[:, 0] * rows[:, 3] > 0.1)
    trees = _trees.from_boosting(model)
    again = _trees.from_tensors(trees.tensors(), numbers=5, where="here")
    np.testing.assert_allclose(again.score(rows), model.decision_function(rows), atol=1e-5)


@pytest.mark.parametrize("name", ["trees.feature", "trees.left", "trees.root"])
@pytest.mark.parametrize("wrong", [-1, 10**6])
def test_trees_that_point_outside_are_refused(rng: np.random.Generator, name: str, wrong: int) -> None:
    one = np.zeros(1)
    tensors: dict[str, NDArray[np.generic]] = dict.fromkeys(
        ("trees.feature", "trees.threshold", "trees.left", "trees.right", "trees.value", "trees.root"), one
    )
    tensors["trees.start"] = one
    assert _trees.from_tensors(tensors, numbers=5, where="here").score(np.zeros((2, 5), np.float32)).tolist() == [0, 0]
    with pytest.raises(UnreadableInput, match="outside"):
        _trees.from_tensors({**tensors, name: np.array([wrong])}, numbers=5, where="here")
    with pytest.raises(UnreadableInput, match="lacks"):
        _trees.from_tensors({key: tensors[key] for key in tensors if key != name}, numbers=5, where="here")


def test_the_groups_of_statistics_cover_them_all_once(noisy: Pixels) -> None:
    places = [place for part in _statistics.GROUPS.values() for place in range(part.start, part.stop)]
    assert places == list(range(_statistics.NUMBERS))
    found = _statistics.statistics(noisy[0])
    assert found.shape == (_statistics.NUMBERS,) and np.isfinite(found).all()


@pytest.mark.parametrize("describe", [_statistics.statistics, _selves.description])
@pytest.mark.parametrize("value", [0, 255])
def test_pictures_with_nothing_on_them_have_finite_numbers(describe: object, value: int) -> None:
    assert callable(describe)
    assert np.isfinite(describe(np.full((48, 64, 3), value, np.uint8))).all()


def test_a_description_has_its_numbers_and_sees_what_is_predictable(noisy: Pixels, flat: Pixels) -> None:
    noise, ramp = _selves.description(noisy[0]), _selves.description(flat[0])
    assert noise.shape == ramp.shape == (_selves.NUMBERS,)
    assert noise[24] > ramp[24]


@pytest.mark.parametrize("name", ["spectral", "selves"])
def test_learners_tell_apart_what_differs_and_survive_being_saved(
    name: str, card: Card, noisy: Pixels, flat: Pixels, tmp_path: Path
) -> None:
    options = {"spectral": {"trees": 5, "leaves": 3}, "selves": {"components": 1}}[name]
    learner = models.learner(name, **options)
    rows = np.concatenate([np.tile(learner.describe(batch), (4, 1)) for batch in (noisy, flat)])
    labels = np.repeat(np.array([0, 1], np.int8), len(rows) // 2)
    tensors = learner.learn(rows, labels, np.ones(len(rows)), np.random.default_rng(3))
    scores = learner.score(rows, tensors)
    assert scores[labels == 1].min() > scores[labels == 0].max()
    saved = learner.save(replace(card, architecture=name), tensors, tmp_path)
    detector = models.load(saved)
    np.testing.assert_allclose(detector.llr(noisy), scores[: len(noisy)], atol=1e-3, rtol=1e-3)
    assert detector.hash == saved.sha256[:16]


def test_equal_seeds_learn_equal_trees(noisy: Pixels, flat: Pixels) -> None:
    learner = models.learner("spectral", trees=3)
    rows = np.concatenate([np.tile(learner.describe(batch), (4, 1)) for batch in (noisy, flat)])
    labels = np.repeat(np.array([0, 1], np.int8), len(rows) // 2)
    first, second = (learner.learn(rows, labels, np.ones(len(rows)), np.random.default_rng(3)) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_spectral_tells_which_kind_of_trace_speaks(card: Card, noisy: Pixels, flat: Pixels, tmp_path: Path) -> None:
    from filigrane.detector.models.spectral import Spectral

    learner = models.learner("spectral", trees=20)
    rows = np.concatenate([np.tile(learner.describe(batch), (4, 1)) for batch in (noisy, flat)])
    labels = np.repeat(np.array([0, 1], np.int8), len(rows) // 2)
    tensors = learner.learn(rows, labels, np.ones(len(rows)), np.random.default_rng(3))
    detector = models.load(learner.save(card, tensors, tmp_path))
    assert isinstance(detector, Spectral)
    traces = detector.traces(flat[0])
    assert set(traces) == set(_statistics.GROUPS)
    assert sum(traces.values()) > 0


@pytest.mark.parametrize("name", ["spectral", "selves"])
def test_weights_of_another_model_are_refused(name: str, card: Card, tmp_path: Path) -> None:
    from filigrane.core.weights import save

    saved = save(replace(card, architecture=name), {"weight": np.ones(2), "trees.root": np.ones(1)}, tmp_path)
    with pytest.raises(UnreadableInput):
        models.load(saved)


@pytest.mark.parametrize("options", [{"trees": 3, "no_such": 1}, {}])
def test_what_cannot_be_trained_is_told(options: dict[str, int]) -> None:
    from filigrane.core.errors import UsageError

    with pytest.raises(UsageError, match="can't be trained"):
        models.learner("spectral" if options else "timm", **options)
