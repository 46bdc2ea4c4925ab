"""Errors as problem+json (RFC 9457), whatever raised them; each names the request, so that its log can be found."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from filigrane.core.errors import FiligraneError

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger("filigrane.service")
_MAX_ERRORS = 20
_UNEXPECTED = "Something went wrong here; the request id leads to the log."


class RequestProblem(FiligraneError):
    """A request that can't be met, with the status that says so and headers such as Retry-After."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.http_status = status
        self.headers = dict(headers or {})


def problem(
    status: int, detail: str, *, kind: str = "", headers: Mapping[str, str] | None = None, **members: object
) -> JSONResponse:
    """The answer for one problem; ``kind`` is its name in kebab case, by default that of the status.

    The members ``message`` and ``code`` repeat what OpenAI clients look for.
    """
    title = HTTPStatus(status).phrase
    kind = kind or title.lower().replace(" ", "-")
    body = {
        "type": f"urn:filigrane:problem:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "message": detail,
        "code": kind,
        "request_id": structlog.contextvars.get_contextvars().get("request_id", ""),
        **members,
    }
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def name(error: Exception) -> str:
    """The kind of an error in kebab case.

    >>> name(FiligraneError())
    'filigrane-error'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()


def install(app: FastAPI) -> None:
    """Answer with problem+json for our errors, the framework's, wrong requests, and bugs."""
    app.add_exception_handler(FiligraneError, answer)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _wrong_request)
    app.add_exception_handler(Exception, unexpected)


async def answer(request: Request, error: Exception) -> Response:
    """The problem that one of our errors is answered with."""
    status = error.http_status if isinstance(error, FiligraneError) else 500
    headers = dict(getattr(error, "headers", {}))
    if (pause_s := getattr(error, "retry_after_s", None)) is not None:
        headers["Retry-After"] = str(pause_s)
    if status >= 500 and status not in (501, 503):
        _LOG.error("a request failed", exc_info=error)
    if status == 500:  # what it says may name files and databases of the operator
        return problem(500, _UNEXPECTED)
    kind = "" if isinstance(error, RequestProblem) else name(error)
    return problem(status, str(error), kind=kind, headers=headers)


async def _framework(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return await unexpected(request, error)
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _wrong_request(request: Request, error: Exception) -> Response:
    """What is wrong with which part; never the value itself, which may be megabytes or somebody's secret."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [
        {"where": ".".join(str(part)[:100] for part in item["loc"]), "what": str(item["msg"])[:300]}
        for item in found[:_MAX_ERRORS]
    ]
    detail = "; ".join(f"{item['where']}: {item['what']}" for item in errors[:3]) or "The request is not understood."
    return problem(422, detail, errors=errors)


async def unexpected(request: Request, error: Exception) -> Response:
    """A bug: the log has it all, the answer nothing but the id to find it by."""
    _LOG.error("an unexpected error was raised", exc_info=error)
    return problem(500, _UNEXPECTED)
