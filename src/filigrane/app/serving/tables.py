"""The service's own database: API keys, results, durable jobs, audit, usage, and manifests handed in by others.

It lies beside the registry, never in its tables: the registry only ever grows, while what is kept here expires.
SQLite in the home folder by default, PostgreSQL by address; several processes may use one database at once.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from filigrane.core.errors import FiligraneError
from filigrane.provenance import database

SCHEMA = 2
_LOCK = 0x46494C53  # any constant will do, as long as it stays and is not the registry's
_NAME = "service's database"
_MOMENT = sa.DateTime(timezone=True)

METADATA = sa.MetaData()
schema = sa.Table("service_schema", METADATA, sa.Column("version", sa.Integer, primary_key=True))
api_keys = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("secret_sha256", "name", "owner", "scopes")),
    sa.Column("created_at", _MOMENT, nullable=False),
    *(sa.Column(name, _MOMENT) for name in ("expires_at", "revoked_at")),
    *(sa.Column(name, sa.Integer) for name in ("rate_per_minute", "daily_quota")),
)
detections = sa.Table(
    "detections",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("created_at", _MOMENT, nullable=False),
    sa.Column("expires_at", _MOMENT, nullable=False, index=True),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("upload", sa.Text, nullable=False),
    sa.Index("detections_by_owner", "owner", "id"),
)
feedback = sa.Table(
    "feedback",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("owner", "detection", "opinion", "comment")),
    sa.Column("created_at", _MOMENT, nullable=False),
)
idempotency = sa.Table(
    "idempotency",
    METADATA,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("owner", "route", "key")),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("created_at", _MOMENT, nullable=False),
    sa.Column("status", sa.Integer),
    *(sa.Column(name, sa.Text) for name in ("location", "media_type")),
    sa.Column("body", sa.LargeBinary),
)
audit = sa.Table(
    "service_audit",
    METADATA,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", _MOMENT, nullable=False),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("request_id", "owner", "action", "subject")),
)
usage = sa.Table(
    "usage",
    METADATA,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
)
scans = sa.Table(
    "scans",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("owner", "kind", "archive", "state")),
    *(sa.Column(name, _MOMENT, nullable=False) for name in ("created_at", "expires_at")),
    *(sa.Column(name, sa.Integer, nullable=False) for name in ("total", "done", "unreadable")),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("webhook_url", "webhook_secret")),
    sa.Column("webhook_tries", sa.Integer, nullable=False),
    sa.Column("webhook_at", _MOMENT),
)
scan_items = sa.Table(
    "scan_items",
    METADATA,
    sa.Column("scan", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "state", "worker")),
    sa.Column("lease_until", _MOMENT),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("record", sa.Text),
    sa.Column("finished", sa.Integer),
    sa.Index("scan_items_finished", "scan", "finished"),
    sa.Index("scan_items_open", "state", "scan", "position"),
)
manifests = sa.Table(
    "manifests",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("store", sa.LargeBinary, nullable=False),
    sa.Column("created_at", _MOMENT, nullable=False),
)
bindings = sa.Table(
    "bindings",
    METADATA,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("alg", "value", "manifest")),
    sa.Column("created_at", _MOMENT, nullable=False),
)


class Ledger:
    """The service's database, for use from many threads and processes at once."""

    def __init__(self, engine: sa.Engine) -> None:
        """Takes an engine whose tables exist: use `open`."""
        self._engine = engine
        self._writer = engine.execution_options(filigrane_write=True)

    @classmethod
    def open(cls, home: Path, url: str = "") -> Self:
        """The database at ``url`` (sqlite or postgresql), or ``home``/service.sqlite where it is empty.

        Tables are made where they are absent, by one process at a time. Raises UsageError, MissingExtra or
        FiligraneError, in one sentence, where the database can't be used.
        """
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        engine = database.connect(home, url or f"sqlite:///{home / 'service.sqlite'}", name=_NAME)
        ledger = cls(engine)
        with ledger.writing() as connection:
            if ledger.skips_locked:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            METADATA.create_all(connection)
            version = connection.scalar(sa.select(schema.c.version))
            if version is None:
                connection.execute(schema.insert(), {"version": SCHEMA})
            elif version != SCHEMA:
                raise FiligraneError(
                    f"The service's database has schema {version}, and this version works with {SCHEMA}; "
                    "use the Filigrane that made it, or a fresh database."
                )
        return ledger

    @property
    def skips_locked(self) -> bool:
        """Whether rows that another process holds can be passed over (PostgreSQL) or writers queue up (SQLite)."""
        return self._engine.dialect.name == "postgresql"

    def insert_new(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """An insertion into ``table`` that passes over rows that are there already."""
        if self.skips_locked:
            return postgresql.insert(table).on_conflict_do_nothing()
        return sqlite.insert(table).on_conflict_do_nothing()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to read from."""
        with database.one_sentence(self._engine, name=_NAME), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One writing transaction, committed at the end of the block, undone where the block raises."""
        with database.one_sentence(self._engine, name=_NAME), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def new_id(prefix: str) -> str:
    """An id that sorts by time and can't be guessed: the prefix, 12 hexadecimal digits of milliseconds, 80 random bits.

    >>> new_id("det")[:4], len(new_id("det"))
    ('det_', 36)
    """
    return f"{prefix}_{int(time.time() * 1000):012x}{secrets.token_hex(10)}"


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)


def utc(moment: datetime) -> datetime:
    """A moment as the database gave it, in UTC: SQLite gives times without a zone, PostgreSQL in that of the session.

    >>> utc(datetime(2026, 1, 2)).isoformat()
    '2026-01-02T00:00:00+00:00'
    """
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
