"""Digital source types: every spelling is understood, nothing else is, and only four mean generative AI."""

from __future__ import annotations

import pytest

from filigrane.provenance.source_types import Generative, SourceType, parse


@pytest.mark.parametrize("kind", SourceType)
def test_every_spelling_is_understood(kind: SourceType) -> None:
    secure = kind.uri.replace("http://", "https://")
    for text in (kind.value, kind.uri, secure, kind.uri + "/", f" {kind.uri}\n", kind.uri.replace("//", "//www.")):
        assert parse(text) is kind


@pytest.mark.parametrize("text", ["", "/", "AI", "http://example.org/digitalCapture", "x/digitalCapture"])
def test_nothing_else_is(text: str) -> None:
    assert parse(text) is None


def test_what_means_generative() -> None:
    by_answer = {answer: {kind.value for kind in SourceType if kind.generative is answer} for answer in Generative}
    assert by_answer[Generative.YES] == {
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "compositeSynthetic",
        "trainedAlgorithmicData",
    }
    assert by_answer[Generative.POSSIBLY] == {"composite", "digitalArt"}
