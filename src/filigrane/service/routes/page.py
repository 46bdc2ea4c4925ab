"""The page for people: rendered here, so that it works without scripts; scripts only make it smoother."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from filigrane import __version__
from filigrane.app.serving.drawing import Sitting, data_url
from filigrane.app.serving.results import Detection
from filigrane.service import render, words
from filigrane.service.callers import COOKIE, Caller, charge, check_origin, identify, note
from filigrane.service.desk import Desk, desk
from filigrane.service.pages import FRAGMENT, PageRoute, language, page, texts
from filigrane.service.problems import RequestProblem
from filigrane.service.routes.detections import look, received, stored
from filigrane.service.schemas import DetectionOut, EvidenceOut

_SESSION_S = 43_200
_STATIC = {
    "page.css": "text/css",
    **{f"{name}.js": "text/javascript" for name in ("check", "drop", "find", "make", "result")},
    "mark.svg": "image/svg+xml",
    "icons.svg": "image/svg+xml",
}
_ORDER = ("manifest", "watermark", "metadata", "classifier", "camera", "latent")

router = APIRouter(route_class=PageRoute, include_in_schema=False)


async def _caller(request: Request, scope: str = "") -> Caller:
    caller = await identify(request)
    if scope and scope not in caller.scopes:
        raise RequestProblem(401 if caller.key is None else 403, "Sign in with an API key that may do this.")
    return caller


@router.get("/")
async def start(request: Request) -> Response:
    """Upload."""
    service = desk(request).service
    facts = {"max_mb": service.max_upload_bytes >> 20, "days": service.result_days, "keeps": service.keep_uploads}
    return page(request, "check.html", facts)


@router.post("/")
async def upload(request: Request, file: Annotated[UploadFile, File()]) -> Response:
    """Look at a picture; the answer alone for scripts, a page of its own otherwise."""
    at, caller = desk(request), await _caller(request, "detect")
    name, data = await received(at, file, "")
    await charge(at, caller, 1)
    found = await look(at, caller, name, data, heatmap=True)
    await note(request, caller, "detect", found.id)
    if request.headers.get(FRAGMENT):
        return page(request, "_answer.html", _answer(request, at, found))
    return RedirectResponse(f"/results/{found.id}", 303)


@router.get("/results/{id}")
async def result(request: Request, id: str, thanked: bool = False) -> Response:
    """A result by its id."""
    at, caller = desk(request), await _caller(request)
    return page(request, "result.html", _answer(request, at, await stored(at, caller, id)) | {"thanked": thanked})


@router.post("/results/{id}/feedback")
async def feedback(request: Request, id: str, opinion: Annotated[str, Form(pattern="^(agree|disagree)$")]) -> Response:
    """Agree or disagree."""
    at, caller = desk(request), await _caller(request, "feedback")
    found = await stored(at, caller, id)
    await run_in_threadpool(at.results.say, caller.owner, found.id, opinion, "")
    await note(request, caller, "feedback", found.id)
    return RedirectResponse(f"/results/{found.id}?thanked=true", 303)


@router.get("/make")
async def make(request: Request) -> Response:
    """A prompt."""
    facts = {"model": desk(request).drawing.model, "drawn": None, "prompt": "", "source": ""}
    return page(request, "make.html", facts)


@router.post("/make")
async def made(request: Request, prompt: Annotated[str, Form(min_length=1, max_length=1000)]) -> Response:
    """The picture, for pages without scripts."""
    at, caller = desk(request), await _caller(request, "generate")
    await charge(at, caller, 1)
    (drawn,) = await run_in_threadpool(at.drawing.draw, Sitting(prompt))
    await note(request, caller, "image_generation", drawn.mark)
    facts = {"model": at.drawing.model, "drawn": drawn, "prompt": prompt, "source": data_url(drawn, "image/png")}
    return page(request, "make.html", facts)


@router.get("/find")
async def find(request: Request, id: Annotated[str, Query(max_length=500)] = "") -> Response:
    """A mark or a manifest by its id."""
    at = desk(request)
    await _caller(request, "lookup")
    mark = await run_in_threadpool(at.lookup.mark, id.strip()) if id.strip() else None
    return page(request, "find.html", {"asked": id, "mark": mark, "told": ""})


@router.post("/find")
async def recover(request: Request, file: Annotated[UploadFile, File()]) -> Response:
    """The manifest of a picture that lost it."""
    at = desk(request)
    await _caller(request, "lookup")
    _, data = await received(at, file, "")
    found = await run_in_threadpool(at.lookup.recover, data)
    told = words.recovered(found, texts(language(request)))
    return page(request, "find.html", {"asked": "", "mark": found.mark if found.found else None, "told": told})


@router.get("/recent")
async def recent(request: Request) -> Response:
    """The latest results of whoever is signed in."""
    at, caller = desk(request), await _caller(request)
    if caller.key is None:
        return RedirectResponse("/signin", 303)
    found = await run_in_threadpool(at.results.recent, caller.owner)
    return page(request, "recent.html", {"found": found})


@router.get("/signin")
async def signin(request: Request) -> Response:
    """Ask for a key."""
    return page(request, "signin.html", {"wrong": False})


@router.post("/signin")
async def signed_in(request: Request, key: Annotated[str, Form(max_length=100)]) -> Response:
    """Exchange a key for a session."""
    at = desk(request)
    await identify(request)
    check_origin(request)
    found = await run_in_threadpool(at.keys.find, key.strip())
    if found is None:
        return page(request, "signin.html", {"wrong": True}, status=401)
    _, session = await run_in_threadpool(at.keys.session, found)
    response = RedirectResponse("/recent", 303)
    safe = request.url.scheme == "https"
    response.set_cookie(COOKIE, session, max_age=_SESSION_S, httponly=True, samesite="strict", secure=safe)
    return response


@router.post("/signout")
async def signout(request: Request) -> Response:
    """End the session."""
    at, text = desk(request), request.cookies.get(COOKIE, "")
    await identify(request)
    await run_in_threadpool(at.keys.end_session, text)
    response = RedirectResponse("/", 303)
    response.delete_cookie(COOKIE)
    return response


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """One of the few files of the page."""
    if name not in _STATIC:
        raise RequestProblem(404, "There is no such file.")
    data = files("filigrane.service.web").joinpath("static", name).read_bytes()
    return Response(data, headers={"cache-control": "public, max-age=3600"}, media_type=_STATIC[name])


def _answer(request: Request, at: Desk, found: Detection) -> dict[str, Any]:
    """What the answer's template needs."""
    told, text = render.detection(at, found), texts(language(request))
    ranked = sorted(told.evidence, key=lambda item: _ORDER.index(item.source) if item.source in _ORDER else len(_ORDER))
    return {
        "d": told,
        "evidence": [_card(item, text) for item in ranked],
        "conflicts": words.conflicts(told.evidence, told.verdict, text) if told.verdict else None,
        "quote": _quote(told, text),
        "heat_url": f"/v1/detections/{found.id}/heatmap",
        "mine": bool(found.owner),
        "thanked": False,
    }


def _card(item: EvidenceOut, text: Mapping[str, str]) -> dict[str, Any]:
    """What the card of one piece of evidence shows."""
    shown = item.model_dump()
    shown |= {"said": words.sentence(item, text), "leaning": words.leaning(item, text)}
    return shown | {"facts": _facts(item), "bound": _one_in(item.false_positive_rate)}


def _one_in(rate: float | None) -> str:
    """A rate as one in how many, to one digit; empty for none.

    >>> _one_in(2.3e-10), _one_in(0.01), _one_in(None)
    ('4,000,000,000', '100', '')
    """
    return f"{float(f'{1 / rate:.0e}'):,.0f}" if rate else ""


def _quote(told: DetectionOut, text: Mapping[str, str]) -> str:
    if told.verdict is None or told.picture is None:
        return ""
    label = told.verdict.label
    return text["quote.text"].format(
        version=__version__,
        sha256=told.picture.sha256,
        date=told.created_at[:10],
        verdict=text[f"verdict.{label}"],
        note=text[f"verdict.{label}.text"],
        policy=told.verdict.policy_hash,
    )


def _facts(item: EvidenceOut) -> list[tuple[str, str]]:
    """Details as pairs of words; of a manifest only its problems, the rest stands in its tree."""
    details = item.details
    if item.source == "manifest":
        return [(problem["code"], problem["explanation"]) for problem in details.get("problems", ())]
    shown = ((name.replace("_", " "), value) for name, value in details.items() if value not in (None, [], {}))
    return [(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) for name, value in shown]
