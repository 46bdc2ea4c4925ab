"""Is it alive, is it ready, which version, and the figures for Prometheus."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool

from filigrane import __version__
from filigrane.service.callers import AtDesk
from filigrane.service.metrics import CONTENT_TYPE
from filigrane.service.problems import RequestProblem

router = APIRouter(tags=["running it"])


@router.get("/livez")
async def livez() -> dict[str, Any]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(at: AtDesk) -> dict[str, Any]:
    """Database up, models loaded, room in the queue; 503 otherwise."""
    waiting = await run_in_threadpool(at.queue.waiting)
    if not all(first.done() for first in at.warming):
        raise RequestProblem(503, "Models are being loaded.", {"Retry-After": "1"})
    if any(first.exception() or first.result().error for first in at.warming):
        raise RequestProblem(503, "Not even a drawn picture could be looked at; the log of the server may say why.")
    if at.scanning.full:
        raise RequestProblem(503, "The queue of pictures is full.", {"Retry-After": "1"})
    return {
        "status": "ok",
        "sources": list(at.runtime.source_names),
        "policy": at.runtime.policy.hash,
        "pending": at.scanning.pending,
        "queued": waiting,
    }


@router.get("/version")
async def version(at: AtDesk) -> dict[str, Any]:
    """The program, and the policy in force."""
    return {"filigrane": __version__, "policy": {"version": at.runtime.policy.version, "hash": at.runtime.policy.hash}}


@router.get("/metrics", response_class=Response)
async def metrics(at: AtDesk) -> Response:
    """Figures in the text format of Prometheus."""
    return Response(await run_in_threadpool(at.metrics.text), media_type=CONTENT_TYPE)
