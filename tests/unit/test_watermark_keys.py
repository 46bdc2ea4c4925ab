"""Key files and rings."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from filigrane.core.errors import NotFound, UsageError
from filigrane.watermark.keys import MAX_KEYS, PUBLIC_KEY, Key, create, load, load_ring, ring


def _key(number: int) -> Key:
    return Key(
        profile="private", secret=number.to_bytes(32, "big"), created=datetime(2026, 1, 1 + number % 28, tzinfo=UTC)
    )


def test_a_made_key_reads_back_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    key = create(tmp_path / "keys")
    path = tmp_path / "keys" / f"{key.id}.json"
    assert load(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key.secret.hex() not in repr(key)


def test_keys_differ(tmp_path: Path) -> None:
    assert create(tmp_path).id != create(tmp_path).id


@pytest.mark.skipif(os.name != "posix", reason="file modes are a matter of POSIX systems")
def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / f"{create(tmp_path).id}.json"
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        load(path)


def test_the_newest_private_key_embeds_and_the_public_one_comes_last(tmp_path: Path) -> None:
    old = create(tmp_path, now=datetime(2025, 1, 1, tzinfo=UTC))
    new = create(tmp_path, now=datetime(2026, 1, 1, tzinfo=UTC))
    keys = load_ring(tmp_path)
    assert keys.embedding == new
    assert keys.keys == (new, old, PUBLIC_KEY)
    assert keys.find(old.id) == old


def test_without_a_folder_there_is_the_public_key(tmp_path: Path) -> None:
    assert load_ring(tmp_path / "none").keys == (PUBLIC_KEY,)


def test_one_key_counts_once() -> None:
    assert ring((_key(1), _key(1))).keys == (_key(1), PUBLIC_KEY)


def test_a_ring_is_limited() -> None:
    assert len(ring(tuple(map(_key, range(MAX_KEYS - 1)))).keys) == MAX_KEYS
    with pytest.raises(UsageError, match=str(MAX_KEYS)):
        ring(tuple(map(_key, range(MAX_KEYS))))


def test_missing_keys_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nobody"):
        load(tmp_path / "nobody.json")
    with pytest.raises(NotFound, match=PUBLIC_KEY.id):
        ring().find("0" * 16)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "[" * 4000, '{"id": 1, "profile": 2, "secret": 3, "created": 4}', "\xff\xfe"],
)
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(UsageError, match="not a key file"):
        load(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("secret", "00" * 32), ("secret", "00"), ("id", "0" * 16), ("profile", "royal"), ("created", "2026-01-01")],
)
def test_a_damaged_key_is_refused(tmp_path: Path, field: str, value: str) -> None:
    path = tmp_path / f"{create(tmp_path).id}.json"
    fields = json.loads(path.read_text(encoding="ascii")) | {field: value}
    path.write_text(json.dumps(fields), encoding="ascii")
    with pytest.raises(UsageError, match="damaged"):
        load(path)


def test_an_oversized_file_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    path.write_text(" " * 5000, encoding="ascii")
    path.chmod(0o600)
    with pytest.raises(UsageError, match="5000 bytes"):
        load(path)
