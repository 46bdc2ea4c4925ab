"""Idempotency keys: a request that is sent again, because its answer got lost, is answered again and not done again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from filigrane.app.serving.tables import Ledger, idempotency, now, utc
from filigrane.core.errors import FiligraneError

LIFE = timedelta(hours=24)
_ABANDONED = timedelta(minutes=10)
MAX_BODY_BYTES = 64 * 2**20


class InFlight(FiligraneError):
    """The same request is being worked on."""

    http_status = 409
    retry_after_s = 2


class OtherBody(FiligraneError):
    """The key was used for another request."""

    http_status = 422


@dataclass(frozen=True, slots=True)
class Request:
    """Which request: whose, on which route, under which key, and a digest of what it asks."""

    owner: str
    route: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was given."""

    status: int
    body: bytes
    media_type: str
    location: str = ""


class Idempotency:
    """Requests with a key, and their answers, for a day."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def begin(self, request: Request) -> Answer | None:
        """The answer given before, or None where the work is now the caller's.

        Raises InFlight while another works on it, OtherBody where the key stands for another request.
        """
        row = {"owner": request.owner, "route": request.route, "key": request.key, "digest": request.digest}
        try:
            with self._ledger.writing() as connection:
                connection.execute(idempotency.delete().where(idempotency.c.created_at < now() - LIFE))
                connection.execute(idempotency.insert(), row | {"created_at": now()})
        except FiligraneError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            return self._known(request)
        return None

    def _known(self, request: Request) -> Answer | None:
        with self._ledger.writing() as connection:
            row = connection.execute(sa.select(idempotency).where(self._this(request)).with_for_update()).first()
            if row is not None and row.digest != request.digest:
                raise OtherBody("This Idempotency-Key was used for another request; use a new one.")
            if row is not None and row.status is not None:
                return Answer(row.status, bytes(row.body), row.media_type, row.location)
            if row is None or utc(row.created_at) > now() - _ABANDONED:
                raise InFlight("The same request is being worked on; ask again in a moment.")
            connection.execute(idempotency.update().where(self._this(request)).values(created_at=now()))
        return None

    def end(self, request: Request, answer: Answer) -> None:
        """Keep ``answer`` for the next time; one that is too large, or a failure, is forgotten instead."""
        if answer.status >= 400 or len(answer.body) > MAX_BODY_BYTES:
            self.forget(request)
            return
        values = {
            "status": answer.status,
            "body": answer.body,
            "media_type": answer.media_type,
            "location": answer.location,
        }
        with self._ledger.writing() as connection:
            connection.execute(idempotency.update().where(self._this(request)).values(**values))

    def forget(self, request: Request) -> None:
        """Let the next request with this key be worked on afresh."""
        with self._ledger.writing() as connection:
            connection.execute(idempotency.delete().where(self._this(request)))

    @staticmethod
    def _this(request: Request) -> sa.ColumnElement[bool]:
        table = idempotency.c
        return (table.owner == request.owner) & (table.route == request.route) & (table.key == request.key)
