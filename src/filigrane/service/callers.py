"""Who asks, and may they: API keys, sessions of the page, and those without either; rates and quotas."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from filigrane.app.serving.api_keys import ApiKey, is_key
from filigrane.app.serving.tables import now
from filigrane.service.desk import Desk, desk
from filigrane.service.problems import RequestProblem

COOKIE = "filigrane_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_DAY_S = 86_400
_BEARER = HTTPBearer(
    auto_error=False, description="An API key: filigrane keys api create NAME", bearerFormat="id.secret"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the owner of the data (empty without a key), the key, and what may be done."""

    owner: str
    scopes: frozenset[str]
    key: ApiKey | None = None


async def identify(request: Request) -> Caller:
    """The caller of ``request``, who has not used up the rate; asked again, the same without counting twice.

    A key that is not in our form (an OpenAI client always sends one) counts as none; one in our form must hold.
    Raises RequestProblem 401 or 429.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    at, credentials = desk(request), await _BEARER(request)
    given = credentials.credentials if credentials is not None else ""
    text = given if is_key(given) else request.cookies.get(COOKIE, "")
    key = await run_in_threadpool(at.keys.find, text) if is_key(text) else None
    _take(at, key.owner if key is not None else _address(request), _rate(at, key))
    if is_key(given) and key is None:
        raise RequestProblem(401, "This API key is unknown, revoked or past its end.", {"WWW-Authenticate": "Bearer"})
    if key is not None and not is_key(given):
        check_origin(request)
    found = (
        Caller(key.owner, key.scopes, key) if key is not None else Caller("", frozenset(at.service.anonymous_scopes))
    )
    request.state.caller = found
    return found


async def admit(request: Request, scope: str) -> Caller:
    """The caller of ``request``, who has the right ``scope`` (empty: any); RequestProblem 401 or 403 otherwise."""
    caller = await identify(request)
    if scope and scope not in caller.scopes:
        if caller.key is None:
            raise RequestProblem(401, f"This needs an API key with the scope {scope}.", {"WWW-Authenticate": "Bearer"})
        raise RequestProblem(403, f"This API key lacks the scope {scope}.")
    return caller


def may(scope: str) -> Callable[..., Awaitable[Caller]]:
    """`admit` as a dependency, which the OpenAPI document shows."""

    async def allowed(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
    ) -> Caller:
        return await admit(request, scope)

    return allowed


async def note(request: Request, caller: Caller, action: str, subject: str) -> None:
    """One line of the audit log: what ``caller`` did to what."""
    await run_in_threadpool(desk(request).results.log, request.state.request_id, caller.owner, action, subject)


async def charge(at: Desk, caller: Caller, pictures: int) -> None:
    """Count ``pictures`` against the day's quota of the caller's key; RequestProblem 429 where it is used up."""
    if caller.key is None:
        return
    quota = caller.key.daily_quota if caller.key.daily_quota is not None else at.service.daily_quota
    if not await run_in_threadpool(at.results.spend, caller.owner, pictures, quota):
        at.metrics.refused.labels("quota").inc()
        told = f"The quota of {quota:,} pictures a day (UTC) does not leave {pictures:,}."
        raise RequestProblem(429, told, {"Retry-After": str(_until_midnight_s())})


def _until_midnight_s() -> int:
    moment = now()
    return _DAY_S - (moment.hour * 3600 + moment.minute * 60 + moment.second)


def _rate(at: Desk, key: ApiKey | None) -> int:
    return key.rate_per_minute if key is not None and key.rate_per_minute is not None else at.service.rate_per_minute


def _take(at: Desk, caller: str, rate_per_minute: int) -> None:
    pause_s = at.buckets.take(caller, rate_per_minute)
    if pause_s:
        at.metrics.refused.labels("rate").inc()
        told = f"More than {rate_per_minute} requests a minute; try again in {pause_s} s."
        raise RequestProblem(429, told, {"Retry-After": str(pause_s)})


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else "unknown"


def check_origin(request: Request) -> None:
    """Raise RequestProblem 403 where a page of another site made the browser send ``request`` to change something."""
    origin = request.headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if elsewhere and request.method not in _SAFE:
        raise RequestProblem(403, "This request comes from another site.")


Detecting = Annotated[Caller, Depends(may("detect"))]
Scanning = Annotated[Caller, Depends(may("scan"))]
Generating = Annotated[Caller, Depends(may("generate"))]
LookingUp = Annotated[Caller, Depends(may("lookup"))]
Publishing = Annotated[Caller, Depends(may("publish"))]
Opining = Annotated[Caller, Depends(may("feedback"))]
Auditing = Annotated[Caller, Depends(may("audit"))]
Anybody = Annotated[Caller, Depends(may(""))]
AtDesk = Annotated[Desk, Depends(desk)]
