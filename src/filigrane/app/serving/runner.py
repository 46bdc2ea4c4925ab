"""The part of a server that works off the queue of scans: claim, look, record; then clean up and send the notices.

It takes only as many pictures at once as there are workers, so that people who wait for an answer are served between.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from dataclasses import replace

from standardwebhooks import Webhook

from filigrane.app.inputs import Item
from filigrane.app.records import Record, to_record
from filigrane.app.scan import Scanned
from filigrane.app.serving.line import Busy
from filigrane.app.serving.outbound import Outbound
from filigrane.app.serving.queue import Delivery, Kind, Leased, ScanQueue, ScanState
from filigrane.app.serving.reports import replay
from filigrane.app.serving.results import ANYONE, Results, coarse
from filigrane.app.serving.scanning import ScanService
from filigrane.app.serving.tables import now
from filigrane.app.serving.uploads import Uploads
from filigrane.core.errors import FiligraneError
from filigrane.core.values import Json

_LOG = logging.getLogger("filigrane.service")
_IDLE_S = 1.0
_TIDY_S = 60.0
_RENEW_S = 5.0
_LOST_S = 3600.0


def describe(scan: ScanState) -> dict[str, Json]:
    """The state of a job as JSON: in answers, in events and in notices."""
    return {
        "id": scan.id,
        "object": "scan",
        "state": scan.state.value,
        "created_at": scan.created_at.isoformat(),
        "expires_at": scan.expires_at.isoformat(),
        "total": scan.total,
        "done": scan.done,
        "unreadable": scan.unreadable,
    }


class ScanRunner:
    """A thread that works off a queue while the server lives."""

    def __init__(
        self, queue: ScanQueue, scanning: ScanService, uploads: Uploads, *, results: Results, outbound: Outbound
    ) -> None:
        self._queue = queue
        self._scanning = scanning
        self._uploads = uploads
        self._results = results
        self._outbound = outbound
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._running: dict[Future[Scanned], tuple[Leased, ExitStack]] = {}
        self._threads = [
            threading.Thread(target=self._work, name="scan-queue", daemon=True),
            *(
                threading.Thread(target=self._regularly, args=(work, pause_s), name=f"scan-{name}", daemon=True)
                for name, work, pause_s in (
                    ("renew", self._renew, _RENEW_S),
                    ("notices", self._notify, _IDLE_S),
                    ("tidy", self.tidy, _TIDY_S),
                )
            ),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that there is something new on the queue."""
        self._wake.set()

    def close(self) -> None:
        """Finish the pictures in hand and put the rest back."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join()
        self._queue.release()

    def _work(self) -> None:
        while not (self._stop.is_set() and not self._running):
            try:
                with ExitStack() as spent:  # the copy of an archive stays until its next picture is begun
                    self._record(spent)
                    self._begin()
                if not self._running:
                    self._wake.wait(_IDLE_S)
                    self._wake.clear()
            except Exception as error:  # what was in hand comes again when its lease ends
                _LOG.error("the queue of scans stumbled", exc_info=error)
                self._stop.wait(_IDLE_S)

    def _record(self, spent: ExitStack) -> None:
        """Record what is finished; what could not be recorded is no longer in hand."""
        done, _ = wait(self._running, _IDLE_S, FIRST_COMPLETED)
        for future in done:
            item, held = self._running.pop(future)
            spent.push(held)
            self._queue.finish(item, self._told(item, _outcome(item, future)))

    def _begin(self) -> None:
        """Take on as many pictures as there are workers to look at them."""
        free = 0 if self._stop.is_set() or self._scanning.full else self._scanning.workers - len(self._running)
        for item in self._queue.claim(free) if free else ():
            held = ExitStack()
            try:
                path = held.enter_context(self._uploads.local(item.archive))
                self._running[self._scanning.submit(Item(str(path), item.member))] = (item, held)
            except Busy:
                held.close()
                self._queue.put_back(item)
            except FiligraneError as error:
                held.close()
                self._queue.finish(item, self._told(item, _failure(item, error)))

    def _told(self, item: Leased, scanned: Scanned) -> Record:
        record = to_record(scanned)
        if item.kind is Kind.DETECTION:
            record["replay"] = replay(scanned, self._scanning.runtime)
        return coarse(record) if item.owner == ANYONE else record

    def _renew(self) -> None:
        for item, _ in list(self._running.values()):
            self._queue.renew(item)

    def _regularly(self, work: Callable[[], None], pause_s: float) -> None:
        while not self._stop.wait(pause_s):
            try:
                work()
            except Exception as error:
                _LOG.error("regular work of the service failed", exc_info=error)

    def tidy(self) -> None:
        """Delete what is past its end, and uploads that belong to nothing because a server died while it took them."""
        for name in (*self._queue.purge(), *self._results.purge()):
            self._uploads.remove(name)
        lost = self._uploads.older_than(_LOST_S)
        known = self._queue.archives() | self._results.uploads() if lost else frozenset()
        for name in lost:
            if name not in known:
                self._uploads.remove(name)

    def _notify(self) -> None:
        for id, archive in self._queue.finished_archives():
            self._uploads.remove(archive)
            self._queue.archive_gone(id)
        if not self._outbound.enabled:
            return
        for delivery in self._queue.due():
            if self._send(delivery):
                self._queue.delivered([delivery.scan.id])

    def _send(self, delivery: Delivery) -> bool:
        """Send one notice, signed after Standard Webhooks; whether it was taken."""
        told = {"type": "scan.finished", "timestamp": now().isoformat(), "data": describe(delivery.scan)}
        body, sent = json.dumps(told), now()
        headers = {
            "content-type": "application/json",
            "webhook-id": f"msg_{delivery.scan.id}",
            "webhook-timestamp": str(int(sent.timestamp())),
            "webhook-signature": Webhook(delivery.secret).sign(f"msg_{delivery.scan.id}", sent, body),
        }
        try:
            status = self._outbound.post(delivery.url, body.encode(), headers)
        except FiligraneError as error:
            _LOG.warning("a notice was not delivered (try %d): %s", delivery.tries, error)
            return False
        return 200 <= status < 300


def _outcome(item: Leased, future: Future[Scanned]) -> Scanned:
    """What came of a picture; a bug is logged, and told as an error of this one picture."""
    if (error := future.exception()) is not None:
        _LOG.error("a picture of a scan could not be looked at", exc_info=error)
        return _failure(item, FiligraneError("Something went wrong here; the log of the server has the rest."))
    return replace(future.result(), path=item.member)


def _failure(item: Leased, error: FiligraneError) -> Scanned:
    name, told = type(error).__name__, str(error)
    return Scanned(item.member, error=told, error_kind=name, exit_code=error.exit_code, http_status=error.http_status)
