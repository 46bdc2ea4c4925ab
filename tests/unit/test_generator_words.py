import numpy as np
import pytest

from filigrane.generator.train import vocabulary
from filigrane.generator.train.vocabulary import COLOURS, Subject, caption, emoji, known_nouns, name_of

SHOES = Subject("clothing", "pair of shoes", "shoes", "black")


def test_every_colour_given_to_a_noun_is_a_colour_word() -> None:
    given = {colour for _, colour in emoji().values()}
    given |= {fields[2] for table in (vocabulary.PRODUCE, vocabulary.FRUIT) for fields in table.values()}
    assert given <= {*COLOURS, ""}


def test_every_emoji_has_a_noun_without_leftover_marks() -> None:
    assert all(noun and noun == noun.strip() and not set("=:|") & set(noun) for noun, _ in emoji().values())


@pytest.mark.parametrize("kind, noun", sorted(known_nouns()))
def test_a_caption_always_names_its_subject(kind: str, noun: str, rng: np.random.Generator) -> None:
    subject = Subject(kind, noun, noun + "s", "red")
    bare = noun.removeprefix("pair of ")
    assert all(bare in caption(subject, rng) for _ in range(20))


def test_captions_vary_and_sometimes_leave_the_colour_out(rng: np.random.Generator) -> None:
    said = {caption(SHOES, rng) for _ in range(200)}
    assert len(said) > 6
    assert any("black" in words for words in said) and any("black" not in words for words in said)


def test_an_orange_is_not_called_an_orange_orange() -> None:
    assert name_of(Subject("produce", "orange", "oranges", "orange")) == "orange"


def test_the_same_seed_says_the_same_words() -> None:
    first, second = (np.random.default_rng(3) for _ in range(2))
    assert [caption(SHOES, first) for _ in range(9)] == [caption(SHOES, second) for _ in range(9)]


def test_one_piece_is_asked_for_in_the_singular_and_a_heap_in_the_plural(rng: np.random.Generator) -> None:
    piece, heap = (Subject(kind, "lemon", "lemons", "yellow") for kind in ("fruit", "produce"))
    assert not any("lemons" in caption(piece, rng) for _ in range(100))
    assert all("lemons" in caption(heap, rng) for _ in range(100))


def test_an_emoji_answers_to_its_bare_name_unless_a_photograph_does(rng: np.random.Generator) -> None:
    said = {noun: {caption(Subject("emoji", noun, noun), rng) for _ in range(200)} for noun in ("rocket", "lemon")}
    assert "a rocket" in said["rocket"]
    assert all("emoji" in words for words in said["lemon"])
