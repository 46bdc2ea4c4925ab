"""The two classes of a labelled picture, and the words that public data sets have for them."""

from __future__ import annotations

REAL, AI = 0, 1

_REAL_WORDS = frozenset({"0_real", "real", "nature", "natural", "authentic", "human", "0"})
_AI_WORDS = frozenset({"1_fake", "fake", "ai", "synthetic", "generated", "1"})


def label_of(word: str) -> int | None:
    """What a word says of a picture: 1 for AI, 0 for real, None for neither.

    >>> label_of("FAKE"), label_of("nature"), label_of("cat")
    (1, 0, None)
    """
    word = word.strip().lower()
    return AI if word in _AI_WORDS else REAL if word in _REAL_WORDS else None
