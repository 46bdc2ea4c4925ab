"""The registry: which mark stands for which manifest. Rows are only ever added; a revocation is a row, no deletion.

A mark is made in three steps, so that a process may die at any moment without losing one or leaving half of one:

1. `Registry.reserve` writes a random id of 60 bits, unique among all processes, before any work is done with it;
2. `Registry.issue` writes the complete mark in one transaction, once the marked and signed file lies on the disk
   under a temporary name and has been read back;
3. only then the caller gives the file its final name.

Dead after 1: an id that no file carries, and that is never given out again. Dead between 2 and 3: an issued mark whose
file waits under its temporary name; `find_by_sha256` recognises it, and the caller finishes step 3 or lets it go.
Nothing that left can be unknown.
"""

from __future__ import annotations

import heapq
import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from filigrane.core.errors import FiligraneError, NotFound, UsageError
from filigrane.provenance import database
from filigrane.provenance.binding import ID_BITS
from filigrane.provenance.database import one_sentence
from filigrane.provenance.fingerprint import BITS, Fingerprint, distance

MAX_DISTANCE = 31
"""Largest Hamming distance that the index of looks answers exactly."""

_CHUNK_BITS = 16
_CHUNKS = BITS // _CHUNK_BITS
_TRIES = 8
_PLAIN = tuple(column.name for column in database.marks.c if not column.name.startswith("look_"))


class Event(StrEnum):
    """What can happen to a mark, each at most once."""

    RESERVED = "reserved"
    ISSUED = "issued"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit: what happened to which mark, when (UTC), and why."""

    seq: int
    at: datetime
    event: Event
    mark: int
    reason: str


@dataclass(frozen=True, slots=True)
class IssuedMark:
    """What is known of one mark.

    ``id`` is the number in the pixels, ``alg`` and ``key_id`` how it was written there; ``manifest`` is the manifest
    store (C2PA bytes) and ``manifest_id`` the label of its active manifest; ``sha256`` is that of the file handed out,
    ``original_sha256`` that of the file before marking. Provider, system and version are those of California SB 942.
    """

    id: int
    alg: str
    key_id: str
    manifest_id: str
    manifest: bytes = field(repr=False)
    sha256: str
    original_sha256: str
    look: Fingerprint = field(repr=False)
    format: str
    created_at: datetime
    title: str = ""
    provider: str = ""
    system: str = ""
    system_version: str = ""
    revoked: AuditEntry | None = None


class Registry:
    """The registry in one database; safe to use from several threads and processes at once."""

    def __init__(self, engine: sa.Engine) -> None:
        """Takes an engine whose schema is up to date: use `open`."""
        self._engine = engine
        self._writer = engine.execution_options(filigrane_write=True)

    @classmethod
    def open(cls, home: Path, url: str = "") -> Self:
        """The registry at ``url`` (sqlite or postgresql), or in ``home``/registry.sqlite where it is empty.

        The schema is made or brought up to date, by one process at a time. Raises UsageError for an address that is
        none, MissingExtra where the driver is absent, FiligraneError where the database cannot be used.
        """
        engine = database.connect(home, url)
        with one_sentence(engine):
            database.upgrade(engine)
        return cls(engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def reserve(self, wish: int | None = None) -> int:
        """A fresh id of 60 bits that no other call has been or will be given: ``wish`` if it is free, else random."""
        with one_sentence(self._engine):
            for attempt in range(_TRIES):
                mark = wish if wish is not None and not attempt else secrets.randbits(ID_BITS)
                try:
                    with self._writer.begin() as connection:
                        _log(connection, Event.RESERVED, mark)
                    return mark
                except IntegrityError:  # another mark has this id: draw again
                    continue
        raise FiligraneError(f"{_TRIES} random ids in a row were taken; check the random source of the machine.")

    def issue(self, mark: IssuedMark) -> None:
        """Write ``mark``, whose id must be reserved, in one transaction.

        Raises UsageError where the id is not reserved or was issued before.
        """
        values = {name: getattr(mark, name) for name in _PLAIN} | {"created_at": mark.created_at.astimezone(UTC)}
        look = {f"look_{part.name}": getattr(mark.look, part.name) for part in fields(Fingerprint)}
        chunks = [{"chunk": chunk, "mark": mark.id} for chunk in _chunks(mark.look.bits)]
        with one_sentence(self._engine):
            try:
                with self._writer.begin() as connection:
                    if not connection.scalar(_event(mark.id, Event.RESERVED)):
                        raise UsageError(f"The mark {mark.id:015x} was never reserved; reserve an id before using it.")
                    connection.execute(database.marks.insert(), values | look)
                    connection.execute(database.looks.insert(), chunks)
                    _log(connection, Event.ISSUED, mark.id)
            except IntegrityError as error:
                raise UsageError(f"The mark {mark.id:015x} was issued before; every picture needs its own.") from error

    def find(self, mark: int) -> IssuedMark | None:
        """The mark with this id, or None where it was never issued."""
        return self._first(database.marks.c.id == mark) if 0 <= mark < 1 << ID_BITS else None

    def find_by_sha256(self, sha256: str) -> IssuedMark | None:
        """The mark of the file with these very bytes, or None."""
        return self._first(database.marks.c.sha256 == sha256)

    def find_by_manifest(self, manifest_id: str) -> IssuedMark | None:
        """The mark whose active manifest has this label, or None."""
        return self._first(database.marks.c.manifest_id == manifest_id)

    def nearest(self, bits: bytes, *, max_distance: int = MAX_DISTANCE, limit: int = 10) -> tuple[IssuedMark, ...]:
        """Up to ``limit`` marks within ``max_distance`` (0 to 31) bits of ``bits``, nearest first.

        Exact, by the pigeonhole principle: of 16 chunks of 16 bits, one differs in at most ``max_distance // 16``.
        """
        if not 0 <= max_distance <= MAX_DISTANCE or len(bits) * 8 != BITS:
            raise UsageError(f"A look has {BITS // 8} bytes and is searched up to a distance of {MAX_DISTANCE} bits.")
        keys = [c for chunk in _chunks(bits) for c in _within(chunk, max_distance // _CHUNKS)]
        candidates = sa.select(database.looks.c.mark).where(database.looks.c.chunk.in_(keys))
        query = sa.select(database.marks.c.id, database.marks.c.look_bits).where(database.marks.c.id.in_(candidates))
        with one_sentence(self._engine), self._engine.connect() as connection:
            found = ((distance(bits, row.look_bits), row.id) for row in connection.execute(query))
            best = heapq.nsmallest(limit, (pair for pair in found if pair[0] <= max_distance))
        return tuple(mark for _, key in best if (mark := self.find(key)) is not None)

    def revoke(self, mark: int, reason: str) -> None:
        """Say that an issued mark no longer stands; it is still found, and found to be revoked.

        Raises NotFound where there is no such mark, UsageError where it is revoked already or no reason is given.
        """
        if not reason.strip():
            raise UsageError("A revocation needs a reason, because the audit keeps it for those who ask later.")
        with one_sentence(self._engine):
            try:
                with self._writer.begin() as connection:
                    if not connection.scalar(_event(mark, Event.ISSUED)):
                        raise NotFound(f"No mark {mark:015x} was issued here; check the id and the registry.")
                    _log(connection, Event.REVOKED, mark, reason)
            except IntegrityError as error:
                raise UsageError(f"The mark {mark:015x} is revoked already; the audit says when and why.") from error

    def audit(self, mark: int | None = None) -> tuple[AuditEntry, ...]:
        """What happened to one mark, oldest first; to all marks where none is named."""
        query = sa.select(database.audit).order_by(database.audit.c.seq)
        if mark is not None:
            query = query.where(database.audit.c.mark == mark)
        with one_sentence(self._engine), self._engine.connect() as connection:
            return tuple(_entry(row) for row in connection.execute(query))

    def export(self) -> Iterator[IssuedMark]:
        """All marks, one after the other without holding them in memory, in the order of their ids."""
        query = _query(sa.true()).order_by(database.marks.c.id)
        with (
            one_sentence(self._engine),
            self._engine.connect() as connection,
            connection.execution_options(yield_per=100).execute(query) as rows,
        ):
            yield from map(_mark, rows)

    def _first(self, condition: sa.ColumnElement[bool]) -> IssuedMark | None:
        with one_sentence(self._engine), self._engine.connect() as connection:
            row = connection.execute(_query(condition).limit(1)).first()
        return _mark(row) if row is not None else None


def _query(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Marks, each with the audit entry of its revocation where there is one."""
    marks, audit = database.marks, database.audit
    gone = sa.and_(audit.c.mark == marks.c.id, audit.c.event == Event.REVOKED.value)
    return sa.select(marks, *audit.c).outerjoin(audit, gone).where(condition)


def _mark(row: sa.Row[Any]) -> IssuedMark:
    look = {part.name: row._mapping[f"look_{part.name}"] for part in fields(Fingerprint)}
    mark = IssuedMark(**{name: row._mapping[name] for name in _PLAIN}, look=Fingerprint(**look))
    revoked = _entry(row) if row.seq is not None else None
    return replace(mark, created_at=_utc(mark.created_at), revoked=revoked)


def _entry(row: sa.Row[Any]) -> AuditEntry:
    return AuditEntry(row.seq, _utc(row.at), Event(row.event), row.mark, row.reason)


def _utc(moment: datetime) -> datetime:
    """SQLite gives times without a zone, PostgreSQL in that of the session."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _log(connection: sa.Connection, event: Event, mark: int, reason: str = "") -> None:
    row = {"at": datetime.now(UTC), "event": event.value, "mark": mark, "reason": reason}
    connection.execute(database.audit.insert(), row)


def _event(mark: int, event: Event) -> sa.Select[tuple[int]]:
    return sa.select(database.audit.c.seq).where(database.audit.c.mark == mark, database.audit.c.event == event.value)


def _chunks(bits: bytes) -> list[int]:
    """The sixteen chunks of a look, each with its position in front."""
    size = _CHUNK_BITS // 8
    parts = (int.from_bytes(bits[start : start + size], "big") for start in range(0, len(bits), size))
    return [place << _CHUNK_BITS | part for place, part in enumerate(parts)]


def _within(chunk: int, radius: int) -> Iterator[int]:
    """``chunk`` with up to ``radius`` bits flipped."""
    for count in range(radius + 1):
        for places in itertools.combinations(range(_CHUNK_BITS), count):
            yield chunk ^ sum(1 << place for place in places)
