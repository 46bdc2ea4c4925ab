"""Everything the routes work with, opened when the server starts and closed, work finished, when it stops."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from fastapi import Request

from filigrane.app.heat import HeatMaps
from filigrane.app.runtime import Runtime
from filigrane.app.scan import Scanned
from filigrane.app.serving.api_keys import ApiKeys
from filigrane.app.serving.drawing import DrawingRoom, OpenStudio, open_studio
from filigrane.app.serving.idempotency import Idempotency
from filigrane.app.serving.lookup import Lookup
from filigrane.app.serving.outbound import Outbound
from filigrane.app.serving.queue import ScanQueue
from filigrane.app.serving.results import Results
from filigrane.app.serving.runner import ScanRunner
from filigrane.app.serving.scanning import ScanService
from filigrane.app.serving.settings import ServiceSettings
from filigrane.app.serving.tables import Ledger, new_id
from filigrane.app.serving.uploads import Uploads
from filigrane.core.settings import Settings
from filigrane.service.limits import Buckets
from filigrane.service.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts of one server process."""

    settings: Settings
    service: ServiceSettings
    runtime: Runtime
    keys: ApiKeys
    results: Results
    idempotency: Idempotency
    scanning: ScanService
    warming: tuple[Future[Scanned], ...]
    queue: ScanQueue
    runner: ScanRunner
    uploads: Uploads
    lookup: Lookup
    outbound: Outbound
    heat: HeatMaps
    drawing: DrawingRoom
    buckets: Buckets
    metrics: Metrics


@contextmanager
def opened(
    settings: Settings, service: ServiceSettings, metrics: Metrics, *, studio: OpenStudio = open_studio
) -> Iterator[Desk]:
    """A desk that is at work inside the block; at its end, pictures in hand are finished."""
    with ExitStack() as stack:
        runtime = Runtime(settings)
        ledger = Ledger.open(settings.home, service.database_url)
        stack.callback(ledger.close)
        results = Results(ledger, days=service.result_days)
        uploads = Uploads(service.uploads_url or str(settings.home / "uploads"))
        lookup = stack.enter_context(Lookup(settings, ledger))
        scanning = ScanService(runtime, waiting=service.waiting, longest_wait_s=service.longest_wait_s, saw=metrics.saw)
        stack.callback(scanning.close)
        queue = ScanQueue(ledger, worker=_worker(), lease_s=service.lease_s, days=service.result_days)
        outbound = Outbound(service.outbound, service.outbound_networks, max_bytes=service.max_upload_bytes)
        runner = ScanRunner(queue, scanning, uploads, results=results, outbound=outbound)
        drawing = DrawingRoom(settings, service.model, open_studio=studio)
        stack.callback(drawing.close)
        heat = HeatMaps(settings)
        stack.callback(heat.close)
        metrics.watch(lambda: scanning.pending)
        runner.start()
        stack.callback(runner.close)
        yield Desk(
            settings=settings,
            service=service,
            runtime=runtime,
            keys=ApiKeys(ledger),
            results=results,
            idempotency=Idempotency(ledger),
            scanning=scanning,
            warming=scanning.warm() if service.warm else (),
            queue=queue,
            runner=runner,
            uploads=uploads,
            lookup=lookup,
            outbound=outbound,
            heat=heat,
            drawing=drawing,
            buckets=Buckets(),
            metrics=metrics,
        )


def _worker() -> str:
    """A name for this process that no other has, nor had."""
    return f"{socket.gethostname()}-{os.getpid()}-{new_id('w')}"


def desk(request: Request) -> Desk:
    """The desk of the server that got ``request``."""
    found: Desk = request.app.state.desk
    return found
