"""Around every request: its id, its log line and figures, safe headers; and limits on its body while it comes in."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from filigrane.app.serving.line import Busy
from filigrane.core.errors import FiligraneError
from filigrane.service.metrics import Metrics
from filigrane.service.problems import answer, name, problem

_LOG = logging.getLogger("filigrane.access")
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"})
_ID = re.compile(r"[0-9A-Za-z_.-]{8,64}")
HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with none, browsers would not say which site a form was sent from
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


class Observe:
    """Gives each request an id (or keeps a caller's own), logs it without its content, and counts it."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status, start = 500, time.perf_counter()

        async def out(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, out)
        finally:
            elapsed_s = time.perf_counter() - start
            route = getattr(scope.get("route"), "path", "unknown")
            method = scope["method"] if scope["method"] in _METHODS else "other"  # strangers invent methods without end
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(elapsed_s)
            self._metrics.refresh()
            facts = {"method": method, "route": route, "status": status, "elapsed_ms": round(elapsed_s * 1e3)}
            _LOG.info("request", extra=facts)


class BodyLimits:
    """Refuses bodies that are too long (413) or too slow (408), as problem+json and before they are held in memory."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: Callable[[Request], Awaitable[int]],
        pause_s: float = 30.0,
        whole_s: float = 300.0,
    ) -> None:
        """``limit`` gives the most bytes of a request, or raises FiligraneError where it is refused unread."""
        self._app = app
        self._limit = limit
        self._pause_s = pause_s
        self._whole_s = whole_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            limit = await self._limit(request)
        except FiligraneError as error:
            refused = await answer(request, error)
            refused.headers["connection"] = "close"
            await refused(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > limit):
            await problem(413, _too_long(limit), headers={"connection": "close"})(scope, receive, send)
            return
        received, ended, deadline = 0, False, time.monotonic() + self._whole_s

        async def into() -> Message:
            nonlocal received, ended
            if ended:
                return await receive()
            try:
                rest = min(self._pause_s, deadline - time.monotonic())
                message = await asyncio.wait_for(receive(), max(rest, 0.001))
            except TimeoutError:
                raise HTTPException(408, _TOO_SLOW, {"connection": "close"}) from None
            received += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if received > limit:
                raise HTTPException(413, _too_long(limit), {"connection": "close"})
            return message

        await self._app(scope, into, send)


class Shed:
    """Refuses pictures that can't be looked at in time before their bytes are parsed: a refusal costs little."""

    def __init__(self, app: ASGIApp, *, paths: frozenset[str], busy: Callable[[], Busy | None]) -> None:
        """``paths`` are those to which pictures are posted that are looked at while the caller waits."""
        self._app = app
        self._paths = paths
        self._busy = busy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self._paths:
            waits = "respond-async" not in Headers(scope=scope).get("prefer", "").lower()
            if waits and (busy := self._busy()) is not None:
                headers = {"Retry-After": str(busy.retry_after_s)}
                await problem(busy.http_status, str(busy), kind=name(busy), headers=headers)(scope, receive, send)
                return
        await self._app(scope, receive, send)


_TOO_SLOW = "The body took too long to arrive; send it again, in one go."


def _too_long(limit: int) -> str:
    return f"The body is over the limit of {limit:,} bytes; send a smaller one."
