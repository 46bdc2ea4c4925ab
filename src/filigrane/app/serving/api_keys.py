"""API keys of the service: who may ask for what, how often, until when.

A key reads ``<id>.<secret>`` and is shown once; the database holds the SHA-256 of the secret, which has 256 random
bits, so that no slow hash is needed. Data belongs to the *owner* of a key; the key that a page's session gets has the
owner of the key it was opened with.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from filigrane.app.serving.tables import Ledger, api_keys, now, utc
from filigrane.core.errors import NotFound, UsageError
from filigrane.core.values import sha256_hex

SCOPES = ("detect", "scan", "generate", "lookup", "feedback", "publish", "audit")
"""What a key may be good for: publish writes manifests and bindings, audit reads the audit log."""
_KEY = re.compile(r"(fk_[0-9a-f]{16})\.([0-9a-zA-Z_-]{43})")
_SESSION_LIFE = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of one key; ``rate_per_minute`` and ``daily_quota`` None take the service's own limits."""

    id: str
    name: str
    owner: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    rate_per_minute: int | None = None
    daily_quota: int | None = None

    def usable(self, moment: datetime) -> bool:
        """Whether the key is neither revoked nor past its end at ``moment`` (UTC)."""
        return self.revoked_at is None and (self.expires_at is None or moment < self.expires_at)


def is_key(text: str) -> bool:
    """Whether ``text`` has the form of one of our keys.

    >>> is_key("sk-1234")
    False
    """
    return _KEY.fullmatch(text) is not None


class ApiKeys:
    """The keys in one database."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(
        self,
        name: str,
        scopes: Iterable[str],
        *,
        days: int | None = None,
        rate_per_minute: int | None = None,
        daily_quota: int | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key, and the text to hand over, which can't be had again; UsageError for a scope that is none."""
        wanted = frozenset(scopes)
        if unknown := sorted(wanted - set(SCOPES)):
            raise UsageError(f"There is no scope {unknown[0]!r}; a key can have: {', '.join(SCOPES)}.")
        if not wanted or not name.strip():
            raise UsageError("A key needs a name and at least one scope.")
        if any(number is not None and number <= 0 for number in (days, rate_per_minute, daily_quota)):
            raise UsageError("The life, rate and quota of a key are numbers above zero.")
        made, id = now(), _new_id()
        expires = made + timedelta(days=days) if days is not None else None
        key = ApiKey(id, name.strip(), id, wanted, made, expires, None, rate_per_minute, daily_quota)
        return key, self._write(key)

    def session(self, key: ApiKey) -> tuple[ApiKey, str]:
        """A key for a page's session: twelve hours at most, with the owner and the rights of ``key``."""
        until = now() + _SESSION_LIFE
        until = until if key.expires_at is None else min(until, key.expires_at)
        child = replace(key, id=_new_id(), name=f"session of {key.id}", created_at=now(), expires_at=until)
        return child, self._write(child)

    def end_session(self, text: str) -> None:
        """Revoke the session that ``text`` stands for; a key that is no session stays."""
        if (key := self.find(text)) is not None and key.id != key.owner:
            with self._ledger.writing() as connection:
                connection.execute(sa.update(api_keys).where(api_keys.c.id == key.id).values(revoked_at=now()))

    def find(self, text: str) -> ApiKey | None:
        """The usable key that ``text`` stands for, or None."""
        parts = _KEY.fullmatch(text)
        if parts is None:
            return None
        with self._ledger.reading() as connection:
            row = connection.execute(sa.select(api_keys).where(api_keys.c.id == parts[1])).first()
        if row is None or not hmac.compare_digest(row.secret_sha256, sha256_hex(parts[2].encode())):
            return None
        key = _parsed(row)
        return key if key.usable(now()) else None

    def list(self) -> tuple[ApiKey, ...]:
        """All keys but those of sessions, oldest first."""
        query = sa.select(api_keys).where(api_keys.c.id == api_keys.c.owner).order_by(api_keys.c.created_at)
        with self._ledger.reading() as connection:
            return tuple(_parsed(row) for row in connection.execute(query))

    def revoke(self, id: str) -> None:
        """End a key, and the sessions opened with it, at once; NotFound where there is none."""
        query = sa.update(api_keys).where((api_keys.c.id == id) | (api_keys.c.owner == id))
        with self._ledger.writing() as connection:
            if not connection.execute(query.values(revoked_at=now())).rowcount:
                raise NotFound(f"There is no API key {id!r}; filigrane keys api list shows them.")

    def _write(self, key: ApiKey) -> str:
        secret = secrets.token_urlsafe(32)
        row = {
            "id": key.id,
            "secret_sha256": sha256_hex(secret.encode()),
            "name": key.name,
            "owner": key.owner,
            "scopes": " ".join(sorted(key.scopes)),
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "rate_per_minute": key.rate_per_minute,
            "daily_quota": key.daily_quota,
        }
        with self._ledger.writing() as connection:
            connection.execute(api_keys.insert(), row)
        return f"{key.id}.{secret}"


def _new_id() -> str:
    return f"fk_{secrets.token_hex(8)}"


def _parsed(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        owner=row.owner,
        scopes=frozenset(row.scopes.split()),
        created_at=utc(row.created_at),
        expires_at=utc(row.expires_at) if row.expires_at else None,
        revoked_at=utc(row.revoked_at) if row.revoked_at else None,
        rate_per_minute=row.rate_per_minute,
        daily_quota=row.daily_quota,
    )
