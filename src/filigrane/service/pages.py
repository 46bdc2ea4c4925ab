"""Pages for people: templates, the words of each language, and routes whose errors are pages too."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.exceptions import HTTPException

from filigrane import __version__
from filigrane.core.errors import FiligraneError
from filigrane.service.callers import COOKIE

LANGUAGES = ("en", "fr")
FRAGMENT = "x-fragment"
"""The header by which a script asks for the answer alone, without the page around it."""
_LANGUAGE = "filigrane_language"
_YEAR_S = 31_536_000


class PageRoute(APIRoute):
    """A route whose errors are pages too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with errors caught; bugs and errors of the server go on to the log."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except FiligraneError as error:
                if error.http_status == 500:
                    raise
                headers = dict(getattr(error, "headers", {}))
                if (pause_s := getattr(error, "retry_after_s", None)) is not None:
                    headers["Retry-After"] = str(pause_s)
                return _problem(request, error.http_status, str(error), headers)
            except HTTPException as error:
                return _problem(request, error.status_code, str(error.detail), error.headers or {})
            except RequestValidationError:
                return _problem(request, 422, "A part of the form is missing or not as it should be.", {})

        return handle


def _problem(request: Request, status: int, detail: str, headers: Mapping[str, str]) -> Response:
    text = texts(language(request))
    told = text.get(f"problem.{status}", "")
    name = "_problem.html" if request.headers.get(FRAGMENT) else "error.html"
    return page(request, name, {"told": told, "detail": detail}, status=status, headers=headers)


def page(
    request: Request,
    template: str,
    facts: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One page in the reader's language."""
    code = language(request)
    common = {
        "t": texts(code),
        "version": __version__,
        "signed_in": COOKIE in request.cookies,
        "path": request.url.path,
    }
    text = _templates().get_template(template).render(**common, **facts)
    response = HTMLResponse(text, status, {"cache-control": "no-store", "vary": "accept-language", **(headers or {})})
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(_LANGUAGE, code, max_age=_YEAR_S, httponly=True, samesite="lax")
    return response


def language(request: Request) -> str:
    """The language asked for by the address, by an earlier choice, or by the browser; English otherwise."""
    wanted = (request.query_params.get("lang"), request.cookies.get(_LANGUAGE))
    browser = (part.split(";")[0].strip()[:2].lower() for part in request.headers.get("accept-language", "").split(","))
    return next((code for code in (*wanted, *browser) if code in LANGUAGES), LANGUAGES[0]) or LANGUAGES[0]


@cache
def texts(language: str) -> Mapping[str, str]:
    """All words of the page in one language, by name."""
    text = files("filigrane.service.web").joinpath("texts", f"{language}.json").read_text(encoding="utf-8")
    found: dict[str, str] = json.loads(text)
    return found


@cache
def _templates() -> Environment:
    loader = PackageLoader("filigrane.service.web")
    return Environment(loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True)
