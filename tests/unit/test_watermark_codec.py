"""Messages, their check, and the polar code that carries them."""

from __future__ import annotations

import numpy as np
import pytest

from filigrane.core.errors import UsageError
from filigrane.watermark import payload
from filigrane.watermark.payload import ID_BITS, MAX_CHECKS, WORD_BITS, Codec, false_accept_bound, new_id
from filigrane.watermark.polar import PolarCode, transform


@pytest.mark.parametrize("identity", [0, 1, 2**60 - 1, 0x0123456789ABCDE])
def test_a_word_gives_its_identity_back(identity: int) -> None:
    codec = Codec(b"secret")
    assert codec.identity(codec.word(identity)) == identity


def test_any_flipped_bit_is_noticed() -> None:
    codec = Codec(b"secret")
    word = codec.word(12345)
    for place in range(WORD_BITS):
        other = word.copy()
        other[place] ^= 1
        assert codec.identity(other) is None


def test_another_secret_does_not_accept_the_word() -> None:
    assert Codec(b"one").identity(Codec(b"two").word(5)) is None


def test_another_version_is_not_read_as_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = Codec(b"secret")
    monkeypatch.setattr(payload, "VERSION", 2)
    word = codec.word(5)
    monkeypatch.undo()
    assert codec.identity(word) is None


@pytest.mark.parametrize("identity", [-1, 2**60])
def test_an_identity_of_too_many_bits_is_refused(identity: int) -> None:
    with pytest.raises(UsageError, match="2\\*\\*60"):
        Codec(b"secret").word(identity)


def test_random_words_are_not_accepted(rng: np.random.Generator) -> None:
    codec = Codec(b"secret")
    words = rng.integers(0, 2, (5000, WORD_BITS)).astype(np.uint8)
    assert all(codec.identity(word) is None for word in words)


def test_the_bound_of_a_whole_read_is_one_in_ten_million() -> None:
    assert false_accept_bound(MAX_CHECKS) <= 1e-7
    assert false_accept_bound(1) == 2.0**-32
    assert false_accept_bound(2**40) == 1.0


def test_identities_are_fresh_and_fit() -> None:
    drawn = {new_id() for _ in range(100)}
    assert len(drawn) == 100
    assert all(0 <= identity < 1 << ID_BITS for identity in drawn)


def test_the_polar_transform_undoes_itself(rng: np.random.Generator) -> None:
    bits = rng.integers(0, 2, (3, 64)).astype(np.uint8)
    assert np.array_equal(transform(transform(bits)), bits)


def test_a_clean_word_decodes_first_in_the_list_whatever_the_scale(rng: np.random.Generator) -> None:
    code = PolarCode(256, 40, paths=8)
    message = rng.integers(0, 2, 40).astype(np.uint8)
    soft = 1 - 2 * code.encode(message).astype(np.float32)
    for scale in (1e-3, 1.0, 1e3):
        words, costs = code.decode((scale * soft)[None].astype(np.float32))
        assert np.array_equal(words[0, 0], message)
        assert costs[0, 0] == 0
        assert (np.diff(costs[0]) >= 0).all()


def test_words_under_noise_are_in_the_list(rng: np.random.Generator) -> None:
    code = PolarCode(1024, 96, paths=64)
    messages = rng.integers(0, 2, (20, 96)).astype(np.uint8)
    sent = np.stack([1 - 2 * code.encode(message).astype(np.float32) for message in messages])
    words, _ = code.decode((sent + rng.normal(0, 2.1, sent.shape)).astype(np.float32))
    found = [(candidates == message).all(axis=1).any() for candidates, message in zip(words, messages, strict=True)]
    assert sum(found) >= 19


def test_a_batch_decodes_as_its_words_alone(rng: np.random.Generator) -> None:
    code = PolarCode(128, 20, paths=4)
    soft = rng.normal(0, 1, (3, 128)).astype(np.float32)
    together, _ = code.decode(soft)
    for index in range(3):
        alone, _ = code.decode(soft[index : index + 1])
        assert np.array_equal(together[index], alone[0])
