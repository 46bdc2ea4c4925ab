"""Laws of naming a family: what can't be told is unknown, and nothing is learned from sources that don't say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from filigrane.core.errors import UnreadableInput
from filigrane.core.values import Json
from filigrane.core.weights import Card
from filigrane.detector import attribution
from filigrane.detector.corpus import Entry
from filigrane.detector.describe import RANDOM, Described

pytest.importorskip("sklearn")

CARD = Card("own", "patches", "x", "", 192, (0.5,) * 3, (0.5,) * 3, "Apache-2.0", 1)


def _entries(kinds: dict[str, int]) -> list[Entry]:
    return [
        Entry(Path(), "", f"{kind}{n}", 0 if kind == "photo" else 1, kind, f"{kind}{n % 6}", kind)
        for kind, count in kinds.items()
        for n in range(count)
    ]


def _rows(entries: list[Entry], rng: np.random.Generator) -> Described:
    features = rng.normal(size=(len(entries), 8)).astype(np.float32)
    for row, entry in enumerate(entries):
        if entry.kind in attribution.FAMILIES:
            features[row, attribution.FAMILIES.index(entry.kind)] += 5
    places = np.arange(len(entries))
    return Described(features, places, np.full(len(entries), RANDOM), np.zeros(len(entries), np.float32))


@pytest.mark.parametrize("names", [("gan", "latent-diffusion"), attribution.FAMILIES])
def test_families_that_differ_are_told_apart(names: tuple[str, ...], rng: np.random.Generator) -> None:
    entries = _entries(dict.fromkeys(names, 60) | {"photo": 40, "proprietary-unknown": 40})
    fold = np.array([int(entry.group[-1]) % 3 for entry in entries])
    rows = _rows(entries, rng)
    found = attribution.fitted(rows, entries, fold, regularisation=1.0)
    assert found is not None and set(found.families) == set(names)
    assert found.accuracy > 0.9 and found.named > 0.9 and found.n == 60 * len(names)
    odds = rows.features @ found.weight.T + found.bias
    right = [found.families[int(row.argmax())] == entry.kind for row, entry in zip(odds, entries, strict=True)]
    assert np.mean(right[: found.n]) > 0.9


def test_one_family_is_none(rng: np.random.Generator) -> None:
    entries = _entries({"gan": 30, "photo": 30})
    fold = np.arange(len(entries)) % 3
    assert attribution.fitted(_rows(entries, rng), entries, fold, regularisation=1.0) is None


def test_families_that_cannot_be_told_apart_get_no_names(rng: np.random.Generator) -> None:
    entries = _entries(dict.fromkeys(attribution.FAMILIES, 60))
    fold = np.array([int(entry.group[-1]) % 3 for entry in entries])
    rows = _rows([replace(entry, kind="photo") for entry in entries], rng)
    assert attribution.fitted(rows, entries, fold, regularisation=1.0) is None


def test_a_name_needs_its_probability() -> None:
    names: list[Json] = ["gan", "latent-diffusion"]
    card = replace(CARD, about={"families": {"families": names, "threshold": 0.8, "accuracy": 0.75}})
    assert attribution.named(np.array([[9.0, 0.0], [9.0, 0.0]]), card)[0] == "gan"
    name, probability = attribution.named(np.array([[0.0, 1.0], [1.0, 0.0]]), card)
    assert (name, probability) == (attribution.UNKNOWN, 0.5)
    with pytest.raises(UnreadableInput, match="families"):
        attribution.named(np.zeros((1, 3)), card)
    with pytest.raises(UnreadableInput, match="families"):
        attribution.named(np.zeros((1, 2)), CARD)
