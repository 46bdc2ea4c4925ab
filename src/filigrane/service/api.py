"""The application: settings in, an ASGI app out. ``filigrane serve`` runs it; nothing starts before the server does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

from filigrane import __version__
from filigrane.app.serving.drawing import OpenStudio, open_studio
from filigrane.app.serving.settings import ServiceSettings, load_service
from filigrane.core.settings import Settings, load
from filigrane.service import logs, problems
from filigrane.service.callers import admit
from filigrane.service.desk import opened
from filigrane.service.metrics import Metrics
from filigrane.service.middleware import BodyLimits, Observe, Shed
from filigrane.service.routes import accounts, checks, detections, health, images, lookup, page, scans
from filigrane.service.schemas import Problem

ABOUT = (
    "Where does this picture come from? Manifest, watermark, metadata and classifier, weighed into one verdict; "
    "marked pictures made to order; and the way from a mark back to its manifest (C2PA Soft Binding Resolution API)."
)
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457).",
        "model": Problem,
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
_SMALL_BYTES = 2**20
_FORM_BYTES = 2**16
_LOOKED_AT = frozenset({"/v1/detections", "/v1/content_provenance_checks"})


def create_app(settings: Settings, service: ServiceSettings, *, studio: OpenStudio = open_studio) -> FastAPI:
    """The application with these settings; it opens its database and workers when the server starts it."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        work = opened(settings, service, metrics, studio=studio)
        app.state.desk = await run_in_threadpool(work.__enter__)
        try:
            yield
        finally:
            await run_in_threadpool(work.__exit__, None, None, None)

    app = FastAPI(
        title="Filigrane",
        description=ABOUT,
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=_PROBLEMS,
        generate_unique_id_function=_operation,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    problems.install(app)
    for group in (detections, checks, images, scans, lookup, accounts, health, page):
        app.include_router(group.router)

    async def limit(request: Request) -> int:
        if request.scope["path"] == "/v1/feedback":
            return _SMALL_BYTES
        most = service.max_upload_bytes
        if (request.method, request.scope["path"]) == ("POST", "/v1/scans") and (await admit(request, "scan")).key:
            most = max(most, service.max_archive_bytes)  # strangers could fill the disk
        return most + _FORM_BYTES

    app.add_middleware(BodyLimits, limit=limit, pause_s=service.body_timeout_s, whole_s=service.request_timeout_s)
    app.add_middleware(Shed, paths=_LOOKED_AT, busy=lambda: app.state.desk.scanning.busy)
    app.add_middleware(Observe, metrics=metrics)
    return app


def create() -> FastAPI:
    """The application as the environment sets it up: the factory that server processes call."""
    logs.configure()
    return create_app(load(), load_service())


def _operation(route: APIRoute) -> str:
    return f"{route.endpoint.__module__.rpartition('.')[2]}_{route.name}"
