"""Scans: many pictures as one job that survives the server, with progress, results by page, and a signed notice."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, File, Form, Path, Query, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse

from filigrane.app.serving.intake import Taken, take_archive, take_files
from filigrane.app.serving.queue import Kind, Order, ScanState, State
from filigrane.app.serving.runner import describe
from filigrane.service.callers import AtDesk, Caller, Scanning, charge, note
from filigrane.service.desk import Desk
from filigrane.service.once import digest_of, once
from filigrane.service.problems import RequestProblem
from filigrane.service.schemas import ScanOut, ScanResults

router = APIRouter(tags=["scans"])
Id = Annotated[str, Path(max_length=100, examples=["scan_0199a5c3e1f4b1d2c3a4f5e6d7c8b9a0"])]
_TICK_S = 0.5
_LONGEST_STREAM_S = 900.0


@router.post("/v1/scans", status_code=202, response_model=ScanOut)
async def start(
    request: Request,
    at: AtDesk,
    caller: Scanning,
    archive: Annotated[UploadFile | None, File(description="A zip of pictures.")] = None,
    files: Annotated[list[UploadFile] | None, File(description="Or the pictures themselves.")] = None,
    webhook_url: Annotated[str, Form(max_length=2048, description="Told when the job is over, if allowed here.")] = "",
) -> Response:
    """Look at many pictures: a zip, or several files. The archive is deleted when the job is over.

    A notice to ``webhook_url`` is signed after Standard Webhooks with the secret in the answer, which is shown once.
    """
    if (archive is None) == (not files):
        raise RequestProblem(422, "Send either an archive or files.")
    if webhook_url:
        at.outbound.check(webhook_url)
    digest = digest_of(webhook_url, *[await _digest(item) for item in ([archive] if archive else files or [])])

    async def work() -> Response:
        taken = await run_in_threadpool(_take, at, archive, files or [])
        try:
            await charge(at, caller, len(taken.members))
        except RequestProblem:
            await run_in_threadpool(at.uploads.remove, taken.archive)
            raise
        secret = f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}" if webhook_url else ""
        order = Order(caller.owner, Kind.SCAN, taken.archive, taken.members, webhook_url, secret)
        scan = await run_in_threadpool(at.queue.add, order)
        await note(request, caller, "scan", scan.id)
        at.runner.wake()
        told = describe(scan) | {"webhook_secret": secret or None}
        return JSONResponse(told, 202, {"Location": f"{at.service.publish_url}/v1/scans/{scan.id}"})

    return await once(request, caller, digest, work)


def _take(at: Desk, archive: UploadFile | None, files: list[UploadFile]) -> Taken:
    if archive is not None:
        return take_archive(archive.file, at.uploads, at.settings, most=at.service.max_pictures)
    if len(files) > at.service.max_pictures:
        raise RequestProblem(413, f"{len(files)} pictures are over the limit of {at.service.max_pictures}.")
    return take_files([(item.filename or "", item.file) for item in files], at.uploads)


async def _digest(file: UploadFile) -> str:
    """A digest of a file that may be too large for memory."""

    def read() -> str:
        found = hashlib.file_digest(file.file, "sha256").hexdigest()  # type: ignore[arg-type]
        file.file.seek(0)
        return found

    return await run_in_threadpool(read)


async def _scan(at: Desk, caller: Caller, id: str) -> ScanState:
    found = await run_in_threadpool(at.queue.find, id, caller.owner)
    if found is None or found.kind is not Kind.SCAN:
        raise RequestProblem(404, "There is no such scan, or it is past its end.")
    return found


@router.get("/v1/scans/{id}", response_model=ScanOut)
async def progress(at: AtDesk, caller: Scanning, id: Id) -> Response:
    """How far a job is."""
    return JSONResponse(describe(await _scan(at, caller, id)))


@router.delete("/v1/scans/{id}", status_code=204)
async def cancel(request: Request, at: AtDesk, caller: Scanning, id: Id) -> None:
    """Leave out what is not yet done; results there are stay."""
    await run_in_threadpool(at.queue.cancel, (await _scan(at, caller, id)).id)
    await note(request, caller, "cancel", id)


@router.get("/v1/scans/{id}/results")
async def results(
    at: AtDesk,
    caller: Scanning,
    id: Id,
    cursor: Annotated[int, Query(ge=0, le=2**31 - 1, description="next_cursor of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ScanResults:
    """Finished records behind the cursor. None is missed or told twice, though the job may still run."""
    scan = await _scan(at, caller, id)
    page = await run_in_threadpool(lambda: at.queue.records(scan.id, after=cursor, limit=limit))
    last = page[-1][0] if page else cursor
    over = scan.state is not State.RUNNING and last >= scan.done
    return ScanResults(data=[dict(record) for _, record in page], next_cursor=None if over else str(last))


@router.get(
    "/v1/scans/{id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events `progress`, then `finished`."}},
)
async def events(at: AtDesk, caller: Scanning, id: Id) -> StreamingResponse:
    """The progress of a job as server-sent events, until it is over (or 15 minutes: then come again)."""
    scan = await _scan(at, caller, id)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_events(at, caller, scan), media_type="text/event-stream", headers=headers)


async def _events(at: Desk, caller: Caller, scan: ScanState) -> AsyncIterator[str]:
    told, deadline = -1, time.monotonic() + _LONGEST_STREAM_S
    found: ScanState | None = scan
    while found is not None and time.monotonic() < deadline:
        over = found.state is not State.RUNNING
        if found.done != told or over:
            told = found.done
            name = "finished" if over else "progress"
            yield f"event: {name}\nid: {told}\ndata: {json.dumps(describe(found))}\n\n"
        if over:
            return
        await asyncio.sleep(_TICK_S)
        found = await run_in_threadpool(at.queue.find, scan.id, caller.owner)
