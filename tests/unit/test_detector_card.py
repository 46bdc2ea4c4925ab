"""Laws of the model card: it says what the card beside the weights says, and no more."""

from __future__ import annotations

from pathlib import Path

from filigrane.core.weights import Card, find_card
from filigrane.detector.card import markdown

PLAIN = Card("own", "patches", "own.safetensors", "ab" * 32, 192, (0.5,) * 3, (0.5,) * 3, "Apache-2.0", 7)


def test_the_card_in_the_docs_is_that_of_the_weights_that_ship() -> None:
    written = Path(__file__).parents[2] / "docs" / "model-card-detector.md"
    assert written.read_text(encoding="utf-8") == markdown(find_card("detector"))


def test_an_unmeasured_card_says_so() -> None:
    text = markdown(PLAIN)
    assert "Nothing has been measured yet." in text
    assert "ab" * 32 in text and "seed: 7" in text


def test_figures_come_with_interval_and_number() -> None:
    card = Card(
        **{name: getattr(PLAIN, name) for name in ("name", "architecture", "file", "sha256", "size_px", "mean", "std")},
        licence="Apache-2.0",
        seed=7,
        calibration={"threshold": 1.25, "n_real": 500},
        trained_on={"real": {"pictures": 9}, "sources": ["a/b", "c/d"]},
        metrics={"data": "a split", "figures": {"auc;delivery=web": [0.8, 0.7, 0.9, 783]}},
    )
    text = markdown(card)
    assert "| web | auc | 0.800 | 0.700 – 0.900 | 783 |" in text
    assert "threshold: 1.250" in text
    assert "sources: 2, named in the card" in text
    assert "On a split." in text
