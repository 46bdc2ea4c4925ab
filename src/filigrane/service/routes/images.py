"""Pictures to order in the shape of OpenAI's images API; every one of them is watermarked, signed and registered."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from filigrane.app.serving.drawing import Drawn, Sitting
from filigrane.core.errors import FiligraneError
from filigrane.service.callers import AtDesk, Caller, Generating, charge, note
from filigrane.service.desk import Desk
from filigrane.service.once import digest_of, once
from filigrane.service.problems import RequestProblem, name

router = APIRouter(tags=["OpenAI-compatible"])
Format = Literal["png", "jpeg", "webp"]
_SIZE = re.compile(r"([1-9]\d{1,3})x([1-9]\d{1,3})")
_MOST_PIXELS = 1024 * 1024
_MAX_PROMPT = 10_000


class ImageRequest(BaseModel):
    """What to draw. What other services take and this one can't heed (quality, style, background) is passed over."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"prompt": "a lighthouse at dusk", "n": 1, "size": "256x256", "output_format": "png"}
        }
    )
    prompt: str = Field(min_length=1, max_length=_MAX_PROMPT)
    model: str | None = Field(None, max_length=200)
    n: int | None = Field(1, ge=1, le=10)
    size: str | None = Field("auto", max_length=20, description="WIDTHxHEIGHT, or auto for the model's own")
    output_format: Format | None = "png"
    response_format: Literal["b64_json"] | None = "b64_json"
    stream: bool | None = False
    partial_images: int | None = Field(0, ge=0, le=3)
    seed: int | None = Field(None, ge=0, lt=2**32, description="the same seed and words give the same picture")
    user: str | None = Field(None, max_length=200)


class ImageOut(BaseModel):
    """One picture; ``mark`` is the number in its pixels, ``verdict`` what a scan of these bytes says."""

    b64_json: str
    seed: int
    mark: str
    sha256: str
    verdict: str


class ImagesOut(BaseModel):
    """Pictures made to order."""

    created: int
    data: list[ImageOut]
    size: str
    output_format: Format
    background: Literal["opaque"] = "opaque"


@router.post("/v1/images/generations", response_model=ImagesOut)
async def generate(request: Request, at: AtDesk, caller: Generating, asked: ImageRequest) -> Response:
    """Make pictures that say what they are. With ``stream``, server-sent events with rough pictures on the way."""
    width, height = parsed_size(asked.size)
    sitting = Sitting(
        asked.prompt,
        asked.output_format or "png",
        width,
        height,
        asked.seed,
        asked.n or 1,
        previews=asked.partial_images or 0,
    )
    return await _answer(request, at, caller, sitting, stream=bool(asked.stream))


async def start_picture(
    image: Annotated[UploadFile | None, File(description="The picture to begin with.")] = None,
    images: Annotated[list[UploadFile] | None, File(alias="image[]", description="The same, as a list of one.")] = None,
) -> bytes:
    """The picture to begin with, which clients send by either of two names; RequestProblem 422 without one."""
    sent = ([image] if image is not None else []) + (images or [])
    if len(sent) != 1:
        raise RequestProblem(422, f"One image is edited at a time; {len(sent)} were sent.")
    if not (data := await sent[0].read()):
        raise RequestProblem(422, "The image is empty; send a picture.")
    return data


@router.post("/v1/images/edits", response_model=ImagesOut)
async def edit(
    request: Request,
    at: AtDesk,
    caller: Generating,
    prompt: Annotated[str, Form(min_length=1, max_length=_MAX_PROMPT)],
    start: Annotated[bytes, Depends(start_picture)],
    mask: Annotated[
        UploadFile | None, File(description="Transparent (or white, without transparency) where to paint anew.")
    ] = None,
    n: Annotated[int, Form(ge=1, le=10)] = 1,
    size: Annotated[str, Form(max_length=20)] = "auto",
    output_format: Annotated[Format, Form()] = "png",
    seed: Annotated[int | None, Form(ge=0, lt=2**32)] = None,
    stream: Annotated[bool, Form()] = False,
    partial_images: Annotated[int, Form(ge=0, le=3)] = 0,
) -> Response:
    """Make a picture from another one, which stands in the manifest as its parent."""
    width, height = parsed_size(size)
    painted = await mask.read() if mask is not None else b""
    sitting = Sitting(prompt, output_format, width, height, seed, n, start, painted, partial_images)
    return await _answer(request, at, caller, sitting, stream=stream)


def parsed_size(text: str | None) -> tuple[int | None, int | None]:
    """Width and height in pixels; None for the model's own. RequestProblem 400 for anything else."""
    if text in (None, "", "auto"):
        return None, None
    sides = _SIZE.fullmatch(text or "")
    if sides is None or int(sides[1]) * int(sides[2]) > _MOST_PIXELS:
        raise RequestProblem(400, f"A size is WIDTHxHEIGHT of at most {_MOST_PIXELS:,} pixels, or auto.")
    return int(sides[1]), int(sides[2])


async def _answer(request: Request, at: Desk, caller: Caller, sitting: Sitting, *, stream: bool) -> Response:
    kind = "image_edit" if sitting.start else "image_generation"
    if stream:
        await charge(at, caller, sitting.count)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}

        async def noted(drawn: Drawn) -> None:
            await note(request, caller, kind, drawn.mark)

        return StreamingResponse(_events(at, sitting, kind, noted), media_type="text/event-stream", headers=headers)

    async def work() -> Response:
        await charge(at, caller, sitting.count)
        made = await run_in_threadpool(at.drawing.draw, sitting)
        for drawn in made:
            await note(request, caller, kind, drawn.mark)
        told = ImagesOut(
            created=int(time.time()),
            data=[_image(drawn) for drawn in made],
            size=f"{made[0].width_px}x{made[0].height_px}",
            output_format=sitting.format,
        )
        return JSONResponse(told.model_dump())

    words = f"{sitting.prompt!r} {sitting.format} {sitting.width_px}x{sitting.height_px} {sitting.seed} {sitting.count}"
    return await once(request, caller, digest_of(words, sitting.start, sitting.mask), work)


def _image(drawn: Drawn) -> ImageOut:
    return ImageOut(
        b64_json=base64.b64encode(drawn.data).decode(),
        seed=drawn.seed,
        mark=drawn.mark,
        sha256=drawn.sha256,
        verdict=drawn.verdict.label.value,
    )


async def _events(
    at: Desk, sitting: Sitting, kind: str, noted: Callable[[Drawn], Awaitable[None]]
) -> AsyncIterator[str]:
    """Rough pictures as they come, then the finished ones, or the problem, as server-sent events."""
    loop, shown = asyncio.get_running_loop(), asyncio.Queue[tuple[int, bytes]]()

    def preview(number: int, data: bytes) -> None:
        loop.call_soon_threadsafe(shown.put_nowait, (number, data))

    drawing = asyncio.ensure_future(run_in_threadpool(at.drawing.draw, sitting, preview))
    while not drawing.done() or not shown.empty():
        getting = asyncio.ensure_future(shown.get())
        await asyncio.wait((getting, drawing), return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            getting.cancel()
            continue
        number, data = getting.result()
        yield _event(f"{kind}.partial_image", sitting, data, partial_image_index=number)
    try:
        for drawn in drawing.result():
            await noted(drawn)
            size = f"{drawn.width_px}x{drawn.height_px}"
            facts = _image(drawn).model_dump(exclude={"b64_json"})
            usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "input_tokens_details": _NO_TOKENS}
            yield _event(f"{kind}.completed", sitting, drawn.data, size=size, usage=usage, **facts)
    except FiligraneError as error:
        reason = str(error) if error.http_status != 500 else "Something went wrong here."
        told = {"message": reason, "code": name(error), "status": error.http_status}
        yield f"event: error\ndata: {json.dumps({'type': 'error', 'error': told})}\n\n"


_NO_TOKENS = {"image_tokens": 0, "text_tokens": 0}


def _event(kind: str, sitting: Sitting, data: bytes, **facts: Any) -> str:
    told = {
        "type": kind,
        "b64_json": base64.b64encode(data).decode(),
        "created_at": int(time.time()),
        "size": "auto",
        "quality": "auto",
        "background": "opaque",
        "output_format": sitting.format,
        **facts,
    }
    return f"event: {kind}\ndata: {json.dumps(told)}\n\n"
