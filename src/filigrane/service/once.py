"""Answering a request that carries an Idempotency-Key: done once, answered as often as it is asked."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from filigrane.app.serving import idempotency
from filigrane.app.serving.idempotency import Answer
from filigrane.core.values import sha256_hex
from filigrane.service.callers import Caller
from filigrane.service.desk import desk
from filigrane.service.problems import RequestProblem

HEADER = "idempotency-key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


async def once(request: Request, caller: Caller, digest: str, work: Callable[[], Awaitable[Response]]) -> Response:
    """The answer of ``work``, or the one that was given to the same request before.

    ``digest`` names what is asked. Without the header, or without an API key to tell callers apart, it is just done.
    """
    key = request.headers.get(HEADER, "")
    if not key or caller.key is None:
        return await work()
    if not _KEY.fullmatch(key):
        raise RequestProblem(400, "An Idempotency-Key has 1 to 255 printable ASCII characters.")
    kept = desk(request).idempotency
    asked = idempotency.Request(caller.owner, f"{request.method} {request.url.path}", key, digest)
    before = await run_in_threadpool(kept.begin, asked)
    if before is not None:
        headers = {"Idempotent-Replayed": "true"} | ({"Location": before.location} if before.location else {})
        return Response(before.body, before.status, headers, before.media_type)
    try:
        answer = await work()
        told = Answer(
            answer.status_code,
            bytes(answer.body),
            answer.headers.get("content-type", "application/json"),
            answer.headers.get("location", ""),
        )
    except BaseException:
        await run_in_threadpool(kept.forget, asked)
        raise
    await run_in_threadpool(kept.end, asked, told)
    return answer


def digest_of(*parts: bytes | str) -> str:
    """One digest of all parts, each told apart from its neighbours.

    >>> digest_of("a", "b") == digest_of("ab")
    False
    """
    hashes = (sha256_hex(part.encode() if isinstance(part, str) else part) for part in parts)
    return sha256_hex(" ".join(hashes).encode())
