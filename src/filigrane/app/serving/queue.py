"""Durable scan jobs: one row for each picture, leased to whichever server process has room, recorded exactly once.

Why own tables and no workflow engine: what is needed is a queue in the database that is there anyway. A picture is
claimed under a lease (``FOR UPDATE SKIP LOCKED`` on PostgreSQL, one writer at a time on SQLite); the transaction that
records its result also takes it off the queue, and only from the holder of the lease. A process that is killed lets
its leases run out, and others, or its successor, go on; a picture that killed its server again and again is given up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from filigrane.app.records import Record, to_record
from filigrane.app.scan import Scanned
from filigrane.app.serving import tables
from filigrane.app.serving.results import Detection, Results
from filigrane.app.serving.tables import Ledger, new_id, now, utc

MAX_TRIES = 3
WEBHOOK_TRIES = 8
_INSERT_ROWS = 500


class State(StrEnum):
    """How far a job is."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """What a job answers: a scan of many pictures, or one detection that was asked for without waiting."""

    SCAN = "scan"
    DETECTION = "detection"


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked: whose job, which kind, the archive in the store of uploads, and the members to look at."""

    owner: str
    kind: Kind
    archive: str
    members: Sequence[str]
    webhook_url: str = ""
    webhook_secret: str = ""


@dataclass(frozen=True, slots=True)
class ScanState:
    """How far one job is; ``unreadable`` of the ``done`` pictures could not be read. Times are UTC."""

    id: str
    owner: str
    kind: Kind
    state: State
    created_at: datetime
    expires_at: datetime
    total: int
    done: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class Leased:
    """One picture in hand: which, and from where."""

    scan: str
    position: int
    archive: str
    member: str
    kind: Kind
    owner: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice that is due: the job, where to, signed with what, and the how-manieth try."""

    scan: ScanState
    url: str
    secret: str
    tries: int


class ScanQueue:
    """The jobs in one database, seen by the server process called ``worker``."""

    def __init__(self, ledger: Ledger, *, worker: str, lease_s: float = 30.0, days: int = 30) -> None:
        self._ledger = ledger
        self._worker = worker
        self._lease = timedelta(seconds=lease_s)
        self._life = timedelta(days=days)

    def add(self, order: Order) -> ScanState:
        """Put a job on the queue, all of it or nothing."""
        id, made = new_id("scan" if order.kind is Kind.SCAN else "det"), now()
        row = {
            "id": id,
            "owner": order.owner,
            "kind": order.kind.value,
            "archive": order.archive,
            "state": (State.RUNNING if order.members else State.DONE).value,
            "created_at": made,
            "expires_at": made + self._life,
            "total": len(order.members),
            "done": 0,
            "unreadable": 0,
            "webhook_url": order.webhook_url,
            "webhook_secret": order.webhook_secret,
            "webhook_tries": 0,
            "webhook_at": made if order.webhook_url and not order.members else None,
        }
        common = {"scan": id, "state": "waiting", "worker": "", "tries": 0}
        items = [common | {"position": place, "name": name} for place, name in enumerate(order.members)]
        with self._ledger.writing() as connection:
            connection.execute(tables.scans.insert(), row)
            for start in range(0, len(items), _INSERT_ROWS):
                connection.execute(tables.scan_items.insert(), items[start : start + _INSERT_ROWS])
        return _state(row)

    def find(self, id: str, owner: str) -> ScanState | None:
        """The job ``id`` where it is ``owner``'s, or was asked for without a key; None otherwise."""
        table = tables.scans
        query = sa.select(table).where(table.c.id == id, table.c.owner.in_({owner, ""}), table.c.expires_at > now())
        with self._ledger.reading() as connection:
            row = connection.execute(query).first()
        return _state(row._mapping) if row is not None else None

    def records(self, id: str, *, after: int = 0, limit: int = 100) -> tuple[tuple[int, Record], ...]:
        """Finished records of a job, each with its number (1, 2, …) in the order of finishing, behind ``after``.

        The numbers have no gaps and never change, so that a reader who goes on from the last one misses nothing.
        """
        table = tables.scan_items
        query = sa.select(table.c.finished, table.c.record).where(table.c.scan == id, table.c.finished > after)
        with self._ledger.reading() as connection:
            rows = connection.execute(query.order_by(table.c.finished).limit(limit)).all()
        return tuple((row.finished, json.loads(row.record)) for row in rows)

    def cancel(self, id: str) -> None:
        """Take what is left of a job off the queue; what is done stays.

        Pictures come before their job here as in `finish`, so that the two never wait for each other crosswise.
        """
        with self._ledger.writing() as connection:
            rest = (tables.scan_items.c.scan == id) & (tables.scan_items.c.state != "done")
            connection.execute(tables.scan_items.delete().where(rest))
            running = (tables.scans.c.id == id) & (tables.scans.c.state == State.RUNNING.value)
            connection.execute(tables.scans.update().where(running).values(state=State.CANCELLED.value))

    def claim(self, count: int) -> tuple[Leased, ...]:
        """Up to ``count`` pictures to look at, oldest jobs first: ours until the lease ends."""
        items, jobs, moment = tables.scan_items, tables.scans, now()
        free = (items.c.state == "waiting") | ((items.c.state == "leased") & (items.c.lease_until < moment))
        query = (
            sa.select(items, jobs.c.archive, jobs.c.kind, jobs.c.owner)
            .join(jobs, jobs.c.id == items.c.scan)
            .where(free)
            .order_by(items.c.scan, items.c.position)
            .limit(count)
            .with_for_update(skip_locked=True, of=items)
        )
        with self._ledger.writing() as connection:
            rows = connection.execute(query).all()
            for row in rows:
                mine = (items.c.scan == row.scan) & (items.c.position == row.position)
                values = {"state": "leased", "worker": self._worker, "lease_until": moment + self._lease}
                connection.execute(items.update().where(mine).values(**values, tries=row.tries + 1))
        leased = [(_leased(row), row.tries) for row in rows]
        for item, tries in leased:
            if tries >= MAX_TRIES:
                self.finish(item, to_record(_given_up(item)))
        return tuple(item for item, tries in leased if tries < MAX_TRIES)

    def renew(self, item: Leased) -> None:
        """Hold on to a picture in hand for another lease: one row a transaction, so that no two ever wait crosswise."""
        with self._ledger.writing() as connection:
            connection.execute(self._mine(item).values(lease_until=now() + self._lease))

    def put_back(self, item: Leased) -> None:
        """Give back a picture that was not begun, as if it had never been claimed."""
        values = {"state": "waiting", "worker": "", "tries": tables.scan_items.c.tries - 1}
        with self._ledger.writing() as connection:
            connection.execute(self._mine(item).values(**values))

    def _mine(self, item: Leased) -> sa.Update:
        """A change to the row of ``item``, as long as its lease is ours."""
        items = tables.scan_items
        this = (items.c.scan == item.scan) & (items.c.position == item.position)
        return items.update().where(this, items.c.state == "leased", items.c.worker == self._worker)

    def release(self) -> None:
        """Put back what is ours and not finished, so that others need not wait for the lease to end."""
        items = tables.scan_items
        mine = (items.c.state == "leased") & (items.c.worker == self._worker)
        with self._ledger.writing() as connection:
            connection.execute(items.update().where(mine).values(state="waiting", worker=""))

    def finish(self, item: Leased, record: Record) -> bool:
        """Record what became of a picture; False, and nothing recorded, where its lease has gone to another."""
        items, jobs = tables.scan_items, tables.scans
        this = (items.c.scan == item.scan) & (items.c.position == item.position)
        with self._ledger.writing() as connection:
            done = self._mine(item).values(state="done", record=json.dumps(record), lease_until=None)
            if not connection.execute(done).rowcount:
                return False
            counted = {"done": jobs.c.done + 1, "unreadable": jobs.c.unreadable + int(bool(record["error"]))}
            connection.execute(jobs.update().where(jobs.c.id == item.scan).values(**counted))
            number = connection.scalar(sa.select(jobs.c.done).where(jobs.c.id == item.scan))
            connection.execute(items.update().where(this).values(finished=number))
            whole = (jobs.c.id == item.scan) & (jobs.c.done == jobs.c.total) & (jobs.c.state == State.RUNNING.value)
            notice = sa.case((jobs.c.webhook_url != "", now()), else_=None)
            connection.execute(jobs.update().where(whole).values(state=State.DONE.value, webhook_at=notice))
            if item.kind is Kind.DETECTION:
                found = Detection(item.scan, item.owner, now(), now() + self._life, record)
                connection.execute(tables.detections.insert(), Results.row(found))
        return True

    def finished_archives(self) -> tuple[tuple[str, str], ...]:
        """Pairs of job and archive of which nothing is left to look at, for the archive to be deleted."""
        jobs = tables.scans
        query = sa.select(jobs.c.id, jobs.c.archive).where(jobs.c.archive != "", jobs.c.state != State.RUNNING.value)
        with self._ledger.reading() as connection:
            return tuple((row.id, row.archive) for row in connection.execute(query))

    def archives(self) -> frozenset[str]:
        """Names of all archives that belong to a job."""
        query = sa.select(tables.scans.c.archive).where(tables.scans.c.archive != "")
        with self._ledger.reading() as connection:
            return frozenset(connection.scalars(query))

    def archive_gone(self, id: str) -> None:
        """Note that the archive of a job was deleted."""
        jobs = tables.scans
        with self._ledger.writing() as connection:
            connection.execute(jobs.update().where(jobs.c.id == id).values(archive=""))

    def due(self, limit: int = 4) -> tuple[Delivery, ...]:
        """Notices to send now; each is put off by its next pause, so that no other process sends it meanwhile."""
        jobs, moment = tables.scans, now()
        query = sa.select(jobs).where(jobs.c.webhook_at <= moment).limit(limit).with_for_update(skip_locked=True)
        with self._ledger.writing() as connection:
            rows = connection.execute(query).all()
            for row in rows:
                last = row.webhook_tries + 1 >= WEBHOOK_TRIES
                pause = None if last else moment + timedelta(seconds=30 * 4 ** min(row.webhook_tries, 6))
                values = {"webhook_at": pause, "webhook_tries": row.webhook_tries + 1}
                connection.execute(jobs.update().where(jobs.c.id == row.id).values(**values))
        return tuple(
            Delivery(_state(row._mapping), row.webhook_url, row.webhook_secret, row.webhook_tries + 1) for row in rows
        )

    def delivered(self, ids: Iterable[str]) -> None:
        """Note that the notices of these jobs arrived."""
        jobs = tables.scans
        with self._ledger.writing() as connection:
            connection.execute(jobs.update().where(jobs.c.id.in_(list(ids))).values(webhook_at=None))

    def waiting(self) -> int:
        """Pictures of all jobs that are not finished."""
        items = tables.scan_items
        query = sa.select(sa.func.count()).select_from(items).where(items.c.state.in_(("waiting", "leased")))
        with self._ledger.reading() as connection:
            return int(connection.scalar(query) or 0)

    def purge(self) -> tuple[str, ...]:
        """Delete jobs past their end, with their records; the names of archives that went with them."""
        jobs, items = tables.scans, tables.scan_items
        with self._ledger.writing() as connection:
            rows = connection.execute(sa.select(jobs.c.id, jobs.c.archive).where(jobs.c.expires_at <= now())).all()
            for row in rows:
                connection.execute(items.delete().where(items.c.scan == row.id))
                connection.execute(jobs.delete().where(jobs.c.id == row.id))
        return tuple(row.archive for row in rows if row.archive)


def _given_up(item: Leased) -> Scanned:
    told = f"{item.member} was begun {MAX_TRIES} times and never finished; it is not tried again."
    return Scanned(item.member, error=told, error_kind="FiligraneError", exit_code=4, http_status=500)


def _state(row: Any) -> ScanState:
    return ScanState(
        id=row["id"],
        owner=row["owner"],
        kind=Kind(row["kind"]),
        state=State(row["state"]),
        created_at=utc(row["created_at"]),
        expires_at=utc(row["expires_at"]),
        total=row["total"],
        done=row["done"],
        unreadable=row["unreadable"],
    )


def _leased(row: sa.Row[Any]) -> Leased:
    return Leased(row.scan, row.position, row.archive, row.name, Kind(row.kind), row.owner)
