"""Laws of weights and cards: what is written is read; what was changed is refused before it is parsed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from filigrane.core import weights
from filigrane.core.errors import LimitExceeded, NotFound, UnreadableInput
from filigrane.core.values import sha256_hex
from filigrane.core.weights import Card, find_card, load_tensors, names, read_card, save


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    monkeypatch.setenv("FILIGRANE_WEIGHTS", str(tmp_path / "own"))
    plain = Card("test-card", "patches", "test-card.safetensors", "", 64, (0.5,) * 3, (0.5,) * 3, "Apache-2.0", 7)
    tensors: weights.Tensors = {"half": np.array([[1.5, -2.0]], np.float16), "whole": np.array([3], np.int64)}
    return save(replace(plain, calibration={"slope": 1.0}), tensors, tmp_path / "own")


def test_what_is_saved_is_found_and_loaded(card: Card) -> None:
    found = find_card("test-card")
    assert found == card
    tensors = load_tensors(found)
    assert tensors["half"].dtype == np.float32 and tensors["half"].tolist() == [[1.5, -2.0]]
    assert tensors["whole"].tolist() == [3]
    assert "test-card" in names()


def test_a_flipped_byte_is_refused_before_parsing(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(card.path.read_bytes())
    data[-1] ^= 1
    card.path.write_bytes(bytes(data))
    monkeypatch.setattr("safetensors.numpy.load", lambda data: pytest.fail("parsed before it was checked"))
    with pytest.raises(UnreadableInput, match="SHA-256"):
        load_tensors(card)


def test_bytes_that_match_but_are_no_safetensors_are_refused(card: Card) -> None:
    card.path.write_bytes(b"not tensors")
    with pytest.raises(UnreadableInput, match="not a safetensors"):
        load_tensors(replace(card, sha256=sha256_hex(b"not tensors")))


def test_missing_weights_and_unknown_names_say_where_was_looked(card: Card, tmp_path: Path) -> None:
    card.path.unlink()
    with pytest.raises(NotFound, match="can't be read"):
        load_tensors(card)
    with pytest.raises(NotFound, match=str(tmp_path / "own")):
        find_card("no-such-card")
    with pytest.raises(NotFound):
        find_card("../own/test-card")


@pytest.mark.parametrize("change", [{"file": "../elsewhere"}, {"size_px": "wide"}, {"mean": 3}, {"seed": float("inf")}])
def test_cards_of_the_wrong_form_are_refused(card: Card, change: dict[str, object]) -> None:
    path = card.folder / "test-card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UnreadableInput):
        read_card(path)


def test_limits_are_kept(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "MAX_WEIGHTS_BYTES", 8)
    with pytest.raises(LimitExceeded):
        load_tensors(card)
    monkeypatch.setattr(weights, "MAX_CARD_BYTES", 8)
    with pytest.raises(LimitExceeded):
        read_card(card.folder / "test-card.json")


def test_the_card_that_ships_is_that_of_the_file_that_ships() -> None:
    shipped = find_card("detector")
    assert shipped.sha256 == sha256_hex(shipped.path.read_bytes())
    assert shipped.path.stat().st_size <= 12 * 2**20
    assert shipped.licence and shipped.trained_on and shipped.metrics
