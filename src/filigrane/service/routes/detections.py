"""Detections: one picture in, one verdict out, now or later; its signed report, its heat map, feedback on it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Header, Path, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from filigrane.app import heat
from filigrane.app.inputs import Item
from filigrane.app.records import to_record
from filigrane.app.scan import Scanned
from filigrane.app.serving import reports
from filigrane.app.serving.intake import clean_name, take_files
from filigrane.app.serving.queue import Kind, Order
from filigrane.app.serving.results import ANYONE, Detection, coarse
from filigrane.core.values import Json
from filigrane.service import render
from filigrane.service.callers import Anybody, AtDesk, Caller, Detecting, Opining, charge, note
from filigrane.service.desk import Desk
from filigrane.service.once import digest_of, once
from filigrane.service.problems import RequestProblem
from filigrane.service.schemas import DetectionOut, FeedbackIn, FeedbackOut, SignedReport

router = APIRouter(tags=["detections"])
Id = Annotated[str, Path(max_length=100, examples=["det_0199a5c3e1f4b1d2c3a4f5e6d7c8b9a0"])]


@router.post("/v1/detections", response_model=DetectionOut, responses={202: {"model": DetectionOut}})
async def detect(
    request: Request,
    at: AtDesk,
    caller: Detecting,
    file: Annotated[UploadFile | None, File(description="The picture.")] = None,
    url: Annotated[str, Form(max_length=2048, description="Where it is, if this service fetches addresses.")] = "",
    heatmap: Annotated[bool, Form(description="Also make a heat map, where the classifier offers one.")] = False,
    prefer: Annotated[str, Header(max_length=200, description="respond-async: answer at once with 202.")] = "",
) -> Response:
    """Say where a picture comes from. Uploads are not kept."""
    later = "respond-async" in prefer.lower()
    if later and heatmap:
        raise RequestProblem(422, "A heat map is only made while you wait; leave out respond-async, or heatmap.")
    name, data = await received(at, file, url)

    async def work() -> Response:
        await charge(at, caller, 1)
        if later:
            told = await _later(at, caller, name, data)
            await note(request, caller, "detect", told.id)
            headers = {"Location": told.links["self"], "Retry-After": "1", "Preference-Applied": "respond-async"}
            return JSONResponse(told.model_dump(mode="json"), 202, headers)
        found = await look(at, caller, name, data, heatmap=heatmap)
        await note(request, caller, "detect", found.id)
        return JSONResponse(render.detection(at, found).model_dump(mode="json"))

    return await once(request, caller, digest_of(data, name, str(later), str(heatmap)), work)


async def received(at: Desk, file: UploadFile | None, url: str) -> tuple[str, bytes]:
    """Name and bytes of the picture that was sent, or named by its address."""
    if (file is None) == (not url):
        raise RequestProblem(422, "Send either a file or a url.")
    if file is None:
        return clean_name(url), await run_in_threadpool(at.outbound.get, url)
    data = await file.read()
    if not data:
        raise RequestProblem(422, "The file is empty; send a picture.")
    return clean_name(file.filename), data


async def scan(at: Desk, name: str, data: bytes) -> Scanned:
    """The scan of one picture; RequestProblem with the status of what is wrong with it, Busy where the line is full."""
    scanned = await asyncio.wrap_future(at.scanning.submit(Item(name, data=data)))
    if scanned.error:
        raise RequestProblem(scanned.http_status, scanned.error)
    return scanned


async def look(at: Desk, caller: Caller, name: str, data: bytes, *, heatmap: bool = False) -> Detection:
    """The stored result for one picture."""
    scanned = await scan(at, name, data)
    record = to_record(scanned) | {"replay": reports.replay(scanned, at.runtime)}
    if heatmap and (drawn := await run_in_threadpool(at.heat.draw, data)) is not None:
        record["heatmap"] = drawn
    record = coarse(record) if caller.owner == ANYONE else record
    found = await run_in_threadpool(at.results.add, caller.owner, record)
    if at.service.keep_uploads:
        found = replace(found, upload=found.id)
        await run_in_threadpool(at.uploads.put, found.id, io.BytesIO(data))
        await run_in_threadpool(at.results.kept, found.id, found.upload)
    return found


async def _later(at: Desk, caller: Caller, name: str, data: bytes) -> DetectionOut:
    taken = await run_in_threadpool(take_files, [(name, io.BytesIO(data))], at.uploads)
    order = Order(caller.owner, Kind.DETECTION, taken.archive, taken.members)
    told = render.queued(at, await run_in_threadpool(at.queue.add, order))
    at.runner.wake()
    return told


async def stored(at: Desk, caller: Caller, id: str) -> Detection:
    """The result ``id`` of the caller; RequestProblem 404 otherwise, whoever else it may belong to."""
    found = await run_in_threadpool(at.results.find, id, caller.owner)
    if found is None:
        raise RequestProblem(404, "There is no such detection, or it is past its end.")
    return found


@router.get("/v1/detections/{id}", response_model=DetectionOut, responses={202: {"model": DetectionOut}})
async def fetch(at: AtDesk, caller: Anybody, id: Id) -> Any:
    """A result, or 202 while it waits."""
    waiting = await run_in_threadpool(at.queue.find, id, caller.owner)
    if waiting is not None and waiting.kind is Kind.DETECTION and waiting.done < waiting.total:
        told = render.queued(at, waiting)
        return JSONResponse(told.model_dump(mode="json"), 202, {"Retry-After": "1"})
    return render.detection(at, await stored(at, caller, id))


@router.get("/v1/detections/{id}/report", response_model=SignedReport)
async def report(at: AtDesk, caller: Anybody, id: Id) -> Response:
    """The result as a signed report that can be checked without us: ``filigrane report check FILE``."""
    found = await stored(at, caller, id)
    composed = reports.compose(found.id, found.created_at, found.record)
    signed = await run_in_threadpool(reports.sign, composed, at.settings)
    return JSONResponse(signed, headers={"Content-Disposition": f'attachment; filename="{found.id}.report.json"'})


@router.get(
    "/v1/detections/{id}/heatmap",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "A transparent PNG to lay over the picture."}},
)
async def heatmap(at: AtDesk, caller: Anybody, id: Id) -> Response:
    """Where the classifier saw its signs, for a detection that asked for it."""
    record = (await stored(at, caller, id)).record
    drawn, width, height = record.get("heatmap"), record["width_px"], record["height_px"]
    if not isinstance(drawn, Mapping) or not isinstance(width, int) or not isinstance(height, int):
        raise RequestProblem(404, "No heat map was made; ask for one with heatmap=true.")
    rows: Json = drawn["llr"]
    png = await run_in_threadpool(heat.render, rows, width, height)  # type: ignore[arg-type]
    return Response(png, media_type="image/png")


@router.post("/v1/feedback", status_code=201)
async def feedback(request: Request, at: AtDesk, caller: Opining, said: FeedbackIn) -> FeedbackOut:
    """Say whether a verdict was right; nobody but the operator reads it."""
    await stored(at, caller, said.detection_id)
    id = await run_in_threadpool(at.results.say, caller.owner, said.detection_id, said.opinion, said.comment)
    await note(request, caller, "feedback", said.detection_id)
    return FeedbackOut(id=id)
