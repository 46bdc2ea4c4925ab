"""Keys of the mark: files that only their owner may read, a ring that is tried in turn, and one key for everybody.

Under a *private* key only its holders can read a mark or write one. The *public* key is a constant of this package:
anyone can read marks made with it, and anyone could write them, so they help to find a manifest and prove nothing.
A new key is made by `create`; older ones stay in the folder so that what they marked can still be read.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filigrane.core.errors import NotFound, UsageError

Profile = Literal["public", "private"]
MAX_KEYS = 64
"""Most keys a ring may hold: each costs time at every read."""
_SECRET_BYTES = 32
_MAX_FILE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Key:
    """A secret of 32 bytes with its name; ``id`` is derived from the secret and may be told to anyone."""

    profile: Profile
    secret: bytes = field(repr=False)
    created: datetime

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits that name the key."""
        return hashlib.sha256(b"filigrane key id: " + self.secret).hexdigest()[:16]


PUBLIC_KEY = Key(
    profile="public",
    secret=hashlib.sha256(b"filigrane public watermark key, version 1").digest(),
    created=datetime(2026, 1, 1, tzinfo=UTC),
)
"""The key that everybody has."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys that a reader tries, private ones first, newest first; the public key is always the last."""

    keys: tuple[Key, ...] = (PUBLIC_KEY,)

    @property
    def embedding(self) -> Key:
        """The key that new marks are made with: the newest private one, or the public one where there is none."""
        return self.keys[0]

    def find(self, key_id: str) -> Key:
        """The key called ``key_id``; raises NotFound with the known ones."""
        for key in self.keys:
            if key.id == key_id:
                return key
        known = ", ".join(key.id for key in self.keys)
        raise NotFound(f"There is no key {key_id!r} in the ring; known are: {known}.")


def ring(keys: tuple[Key, ...] = ()) -> KeyRing:
    """A ring of ``keys`` and the public key; raises UsageError where there are more than MAX_KEYS.

    >>> ring().embedding.profile
    'public'
    """
    private = sorted({key.id: key for key in keys if key.profile == "private"}.values(), key=_age)
    if len(private) >= MAX_KEYS:
        raise UsageError(f"There are {len(private)} keys, and a ring holds {MAX_KEYS - 1}: move old ones elsewhere.")
    return KeyRing((*private, PUBLIC_KEY))


def load_ring(folder: Path) -> KeyRing:
    """The ring of all key files in ``folder``; of the public key alone where there is no such folder."""
    return ring(tuple(load(path) for path in sorted(folder.glob("*.json"))) if folder.is_dir() else ())


def key_folder(home: Path) -> Path:
    """Where the keys of the watermark lie in a home folder."""
    return home / "keys" / "watermark"


def create(folder: Path, *, now: datetime | None = None) -> Key:
    """A new private key, written to ``folder``/<id>.json, which only the owner may read (0600)."""
    created = (now or datetime.now(UTC)).replace(microsecond=0)
    key = Key(profile="private", secret=secrets.token_bytes(_SECRET_BYTES), created=created)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fields = {"id": key.id, "profile": key.profile, "secret": key.secret.hex(), "created": created.isoformat()}
    handle = os.open(folder / f"{key.id}.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(json.dumps(fields) + "\n")
    return key


def load(path: Path) -> Key:
    """The key in the file ``path``.

    Raises NotFound where there is no such file, UsageError where others may read it or it is not a key.
    """
    if not path.is_file():
        raise NotFound(f"There is no key file {path}: make a key, or name the folder that has it.")
    status = path.stat()
    if os.name == "posix" and status.st_mode & 0o077:
        raise UsageError(f"Others may read the key file {path}: take that right away (chmod 600) or make a new key.")
    if status.st_size > _MAX_FILE_BYTES:
        raise UsageError(f"{path} has {status.st_size} bytes, which no key file has.")
    return _parsed(path.read_bytes(), path)


def _parsed(data: bytes, path: Path) -> Key:
    try:
        text = json.loads(data)
        secret, created = bytes.fromhex(text["secret"]), datetime.fromisoformat(text["created"])
        key = Key(profile=text["profile"], secret=secret, created=created)
        sound = text["id"] == key.id and len(secret) == _SECRET_BYTES and created.tzinfo is not None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"{path} is not a key file: expected JSON with id, profile, secret and created.") from error
    if not sound or key.profile not in ("public", "private"):
        raise UsageError(f"{path} is damaged: its id, profile, date and secret do not fit together.")
    return key


def _age(key: Key) -> tuple[float, str]:
    return -key.created.timestamp(), key.id
