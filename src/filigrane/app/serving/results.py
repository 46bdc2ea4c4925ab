"""What the service keeps: results of detections while they last, feedback on them, what was done, and how much.

Uploads are not among it. A result belongs to the owner of the key that asked; one that was asked for without a key
is found by whoever has its id, which can't be guessed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from filigrane.app.records import Record
from filigrane.app.serving import tables
from filigrane.app.serving.tables import Ledger, new_id, now, utc
from filigrane.core.values import Json

ANYONE = ""
"""The owner of what was asked for without a key."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One stored result: the record of the scan, and when (UTC) it was made and will be gone.

    ``upload`` names the kept file in the store of uploads; empty, as by default, where none was kept.
    """

    id: str
    owner: str
    created_at: datetime
    expires_at: datetime
    record: Record
    upload: str = ""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One thing that was done: by whom (the owner of the key), to what, when (UTC), in which request."""

    seq: int
    at: datetime
    request_id: str
    owner: str
    action: str
    subject: str


def coarse(record: Record) -> dict[str, Json]:
    """``record`` for those without a key, marked ``coarse``: without the numbers that lead a picture past a detector.

    Weights, those of a heat map too, keep steps of half a nat, the probability of a hundredth, rates of false
    positives of a power of ten, and the statistics of mark and detector are left out. What was found, and the label,
    stay.
    """
    told: dict[str, Json] = {**record, "coarse": True}
    verdict, evidence = record["verdict"], record["evidence"]
    if isinstance(verdict, Mapping):
        told["verdict"] = {**verdict, "probability": round(float(verdict["probability"]), 2)}  # type: ignore[arg-type]
    if isinstance(evidence, (list, tuple)):
        told["evidence"] = [_coarse(item) for item in evidence if isinstance(item, Mapping)]
    if isinstance(heat := record.get("heatmap"), Mapping):
        rows: Any = heat["llr"]
        told["heatmap"] = {**heat, "llr": [[_step(nats) for nats in row] for row in rows]}
    return told


_STATISTICS = frozenset({"p_value", "bit_accuracy", "correlation", "scores", "family_probability"})


def _coarse(item: Mapping[str, Json]) -> dict[str, Json]:
    details, rate, llr = item["details"], item["false_positive_rate"], item["llr"]
    kept = (
        {name: value for name, value in details.items() if name not in _STATISTICS}
        if isinstance(details, Mapping)
        else {}
    )
    return {
        **item,
        "llr": _step(float(llr)),  # type: ignore[arg-type]
        "false_positive_rate": 10.0 ** math.ceil(math.log10(rate)) if isinstance(rate, float) and rate > 0 else rate,
        "details": kept,
    }


def _step(nats: float) -> float:
    return round(2 * nats) / 2


class Results:
    """Results, feedback, audit and usage in one database."""

    def __init__(self, ledger: Ledger, *, days: int) -> None:
        """``days`` is how long a result is kept."""
        self._ledger = ledger
        self._life = timedelta(days=days)

    def add(self, owner: str, record: Record, *, id: str = "", upload: str = "") -> Detection:
        """Keep the record of one scan."""
        made = now()
        found = Detection(id or new_id("det"), owner, made, made + self._life, record, upload)
        with self._ledger.writing() as connection:
            connection.execute(tables.detections.insert(), self.row(found))
        return found

    def kept(self, id: str, upload: str) -> None:
        """Note that the picture of a result is kept under the name ``upload``, to go when the result goes."""
        table = tables.detections
        with self._ledger.writing() as connection:
            connection.execute(table.update().where(table.c.id == id).values(upload=upload))

    def uploads(self) -> frozenset[str]:
        """Names of all pictures that are kept with a result."""
        query = sa.select(tables.detections.c.upload).where(tables.detections.c.upload != "")
        with self._ledger.reading() as connection:
            return frozenset(connection.scalars(query))

    @staticmethod
    def row(found: Detection) -> dict[str, object]:
        """The row of ``found``, for those who write it in a transaction of their own."""
        return {
            "id": found.id,
            "owner": found.owner,
            "created_at": found.created_at,
            "expires_at": found.expires_at,
            "record": json.dumps(found.record),
            "upload": found.upload,
        }

    def find(self, id: str, owner: str) -> Detection | None:
        """The result ``id``, where it is ``owner``'s or anyone's, and not past its end."""
        table = tables.detections
        mine = table.c.owner.in_({owner, ANYONE})
        query = sa.select(table).where(table.c.id == id, mine, table.c.expires_at > now())
        with self._ledger.reading() as connection:
            row = connection.execute(query).first()
        return _detection(row) if row is not None else None

    def recent(self, owner: str, *, limit: int = 20) -> tuple[Detection, ...]:
        """The latest results of ``owner``, newest first; none for those without a key."""
        if owner == ANYONE:
            return ()
        table = tables.detections
        query = sa.select(table).where(table.c.owner == owner, table.c.expires_at > now())
        with self._ledger.reading() as connection:
            return tuple(_detection(row) for row in connection.execute(query.order_by(table.c.id.desc()).limit(limit)))

    def say(self, owner: str, detection: str, opinion: str, comment: str) -> str:
        """Keep feedback on a result; its id."""
        row = {"id": new_id("fb"), "owner": owner, "detection": detection, "opinion": opinion, "comment": comment}
        with self._ledger.writing() as connection:
            connection.execute(tables.feedback.insert(), row | {"created_at": now()})
        return row["id"]

    def log(self, request_id: str, owner: str, action: str, subject: str) -> None:
        """Write one line of the audit log."""
        row = {"at": now(), "request_id": request_id, "owner": owner, "action": action, "subject": subject}
        with self._ledger.writing() as connection:
            connection.execute(tables.audit.insert(), row)

    def audit(self, *, after: int = 0, limit: int = 100) -> tuple[AuditLine, ...]:
        """Lines of the audit log, oldest first, behind the line ``after``."""
        table = tables.audit
        query = sa.select(table).where(table.c.seq > after).order_by(table.c.seq).limit(limit)
        with self._ledger.reading() as connection:
            return tuple(
                AuditLine(row.seq, utc(row.at), row.request_id, row.owner, row.action, row.subject)
                for row in connection.execute(query)
            )

    def spend(self, owner: str, count: int, quota: int) -> bool:
        """Count ``count`` pictures against today's ``quota`` (UTC) of ``owner``; False, and not counted, where over."""
        table, today = tables.usage, now().date()
        statement = self._ledger.insert_new(table).values(owner=owner, day=today, count=0)
        with self._ledger.writing() as connection:
            connection.execute(statement)
            mine = (table.c.owner == owner) & (table.c.day == today) & (table.c.count + count <= quota)
            return connection.execute(table.update().where(mine).values(count=table.c.count + count)).rowcount == 1

    def purge(self) -> tuple[str, ...]:
        """Delete what is past its end; the names of the kept uploads that went with it."""
        gone = tables.detections.c.expires_at <= now()
        with self._ledger.writing() as connection:
            uploads = connection.scalars(sa.select(tables.detections.c.upload).where(gone)).all()
            connection.execute(tables.detections.delete().where(gone))
            ended = (tables.api_keys.c.id != tables.api_keys.c.owner) & (tables.api_keys.c.expires_at <= now())
            connection.execute(tables.api_keys.delete().where(ended))  # sessions of the page
            day = now().date() - timedelta(days=2)
            connection.execute(tables.usage.delete().where(tables.usage.c.day < day))
        return tuple(name for name in uploads if name)


def _detection(row: sa.Row[Any]) -> Detection:
    return Detection(row.id, row.owner, utc(row.created_at), utc(row.expires_at), json.loads(row.record), row.upload)
