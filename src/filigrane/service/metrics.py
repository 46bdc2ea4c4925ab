"""What the service counts, for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from filigrane.app.scan import Scanned

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The counters of one server process; with several processes they are added up (PROMETHEUS_MULTIPROC_DIR)."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._shared = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
        self.requests = Counter(
            "filigrane_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "filigrane_request_seconds", "Time to answer.", ("route",), buckets=_SECONDS, registry=self._registry
        )
        self.verdicts = Counter("filigrane_verdicts", "Pictures by verdict.", ("label",), registry=self._registry)
        self.refused = Counter("filigrane_refused", "Requests refused, by limit.", ("reason",), registry=self._registry)
        self._pending = Gauge(
            "filigrane_pending_pictures",
            "Pictures waiting or being looked at.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._ask: Callable[[], int] = lambda: 0

    def saw(self, scanned: Scanned) -> None:
        """Count the verdict on a picture, where there is one."""
        if scanned.verdict is not None:
            self.verdicts.labels(scanned.verdict.label.value).inc()

    def watch(self, pending: Callable[[], int]) -> None:
        """Ask ``pending`` how many pictures wait, whenever the figures are read or `refresh` is called."""
        if self._shared:
            self._ask = pending
        else:
            self._pending.set_function(pending)

    def refresh(self) -> None:
        """Note how many pictures wait in this process, for whichever process is asked for the figures."""
        if self._shared:
            self._pending.set(self._ask())

    def text(self) -> bytes:
        """All figures in the text format of Prometheus."""
        if not self._shared:
            return generate_latest(self._registry)
        whole = CollectorRegistry()
        MultiProcessCollector(whole)  # type: ignore[no-untyped-call]
        return generate_latest(whole)
