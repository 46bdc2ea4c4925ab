"""The Soft Binding Resolution API of C2PA 2.4: from a mark, or the picture itself, to its manifest.

All its routes but ``byReference``, which would make this server fetch addresses that strangers name.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from filigrane.app.serving import lookup, reports
from filigrane.app.serving.lookup import Match, Stored
from filigrane.core.values import Json, sha256_hex
from filigrane.service.callers import AtDesk, LookingUp, Publishing, note
from filigrane.service.desk import Desk
from filigrane.service.problems import RequestProblem
from filigrane.service.schemas import BindingIn, BindingOfManifest, Matches, MatchOut

router = APIRouter(tags=["C2PA soft binding resolution"])
MANIFEST = "application/c2pa"
_MAX_STORE_BYTES = 16 * 2**20
_MAX_VALUE = 4096
Id = Annotated[str, Path(max_length=500, examples=["urn:c2pa:6a1f3d0e-0000-4000-8000-000000000000"])]
Alg = Annotated[str, Query(min_length=1, max_length=200, examples=["io.filigrane.spread.1"])]
Most = Annotated[int, Query(alias="maxResults", ge=1, le=100)]
_WELL_KNOWN = "/.well-known/c2pa-soft-binding-resolution"


def _matches(found: tuple[Match, ...]) -> Matches:
    return Matches(matches=[MatchOut(manifestId=item.manifest_id, similarityScore=item.similarity) for item in found])


@router.get("/matches/byBinding", response_model_exclude_none=True)
async def by_binding(
    at: AtDesk,
    caller: LookingUp,
    alg: Alg,
    value: Annotated[str, Query(min_length=1, description="The value of the soft binding, in base64.")],
    most: Most = 10,
) -> Matches:
    """Manifests bound to a value. A value that is too long for an address is sent with POST."""
    if len(value) > _MAX_VALUE:
        raise RequestProblem(414, f"The value has more than {_MAX_VALUE} characters; send it with POST.")
    return _matches(await run_in_threadpool(lambda: at.lookup.by_binding(alg, value, limit=most)))


@router.post("/matches/byBinding", response_model_exclude_none=True)
async def by_posted_binding(at: AtDesk, caller: LookingUp, asked: BindingIn) -> Matches:
    """Manifests bound to a value."""
    found = await run_in_threadpool(lambda: at.lookup.by_binding(asked.alg, asked.value, limit=asked.maxResults))
    return _matches(found)


@router.post("/matches/byContent", response_model_exclude_none=True)
async def by_content(
    request: Request,
    at: AtDesk,
    caller: LookingUp,
    content: Annotated[bytes, Body(media_type="application/octet-stream", description="The bytes of the picture.")],
    alg: Annotated[str, Query(max_length=200)] = "",
    hint_alg: Annotated[str, Query(alias="hintAlg", max_length=200)] = "",
    hint_value: Annotated[str, Query(alias="hintValue", max_length=_MAX_VALUE)] = "",
    most: Most = 10,
) -> Matches:
    """Manifests of a picture: by its very bytes, the mark in its pixels, or its look. A hint is tried first."""
    if hint_alg and hint_value and not alg:
        hinted = await run_in_threadpool(lambda: at.lookup.by_binding(hint_alg, hint_value, limit=most))
        if hinted:
            return _matches(hinted)
    return _matches(await run_in_threadpool(lambda: at.lookup.by_content(content, alg=alg, limit=most)))


@router.get("/manifests/{id}", response_class=Response, responses={200: {"content": {MANIFEST: {}}}})
async def manifest(
    at: AtDesk, caller: LookingUp, id: Id, active: Annotated[bool, Query(alias="returnActiveManifest")] = False
) -> Response:
    """A manifest store, or only its active manifest. One that was revoked says so in the header ``x-revoked``."""
    found = await _stored(at, id)
    headers = {"x-revoked": "true"} if found.revoked else {}
    data = lookup.active_manifest(found.store) if active else found.store
    return Response(data, headers=headers, media_type=MANIFEST)


@router.post("/manifests", status_code=201)
async def publish(
    request: Request,
    at: AtDesk,
    caller: Publishing,
    store: Annotated[bytes, Body(media_type=MANIFEST, description="A manifest store.")],
) -> dict[str, Any]:
    """Hand in a manifest, to be found by the soft bindings that it names."""
    if len(store) > _MAX_STORE_BYTES:
        raise RequestProblem(413, f"A manifest store has at most {_MAX_STORE_BYTES:,} bytes here.")
    found = await run_in_threadpool(at.lookup.publish, store, caller.owner)
    await note(request, caller, "publish", found.id)
    return {"manifestId": found.id}


@router.delete("/manifests/{id}", status_code=204)
async def withdraw(request: Request, at: AtDesk, caller: Publishing, id: Id) -> None:
    """Take back a manifest you handed in."""
    await run_in_threadpool(at.lookup.withdraw, id, caller.owner)
    await note(request, caller, "withdraw", id)


@router.get("/manifests/{id}/receipts")
async def receipts(at: AtDesk, caller: LookingUp, id: Id) -> dict[str, Any]:
    """Signed receipts that say since when this repository holds the manifest."""
    return {"receipts": [await _receipt(at, await _stored(at, id))]}


@router.post("/manifests/{id}/receipts", status_code=201)
async def make_receipt(at: AtDesk, caller: Publishing, id: Id) -> dict[str, Any]:
    """A fresh receipt."""
    return await _receipt(at, await _stored(at, id))


@router.post("/bindings", status_code=201)
async def bind(request: Request, at: AtDesk, caller: Publishing, asked: BindingOfManifest) -> dict[str, Any]:
    """Bind a value to a manifest that you handed in."""
    await run_in_threadpool(lambda: at.lookup.bind(asked.manifestId, asked.alg, asked.value, owner=caller.owner))
    await note(request, caller, "bind", asked.manifestId)
    return asked.model_dump()


@router.put("/bindings")
async def rebind(request: Request, at: AtDesk, caller: Publishing, asked: BindingOfManifest) -> dict[str, Any]:
    """Bind a value to a manifest that you handed in, in place of its other values of that algorithm."""
    await run_in_threadpool(
        lambda: at.lookup.bind(asked.manifestId, asked.alg, asked.value, owner=caller.owner, replace=True)
    )
    await note(request, caller, "bind", asked.manifestId)
    return asked.model_dump()


@router.get("/services/supportedAlgorithms")
async def algorithms() -> dict[str, Any]:
    """Algorithms that can be read from a picture here."""
    return {"watermarks": [{"alg": name} for name in lookup.WATERMARKS], "fingerprints": []}


@router.get("/services/capabilities")
async def capabilities(at: AtDesk) -> dict[str, Any]:
    """What this service can do."""
    return {
        "specVersion": "2.4",
        "matches": {"byBinding": True, "byContent": True, "byReference": False},
        "manifests": {"read": True, "publish": True, "withdraw": True, "receipts": True},
        "bindings": {"write": True},
        "maxContentLength": at.service.max_upload_bytes,
        "maxManifestLength": _MAX_STORE_BYTES,
    }


@router.get("/services/status")
async def status(at: AtDesk) -> dict[str, Any]:
    """Whether the service answers."""
    await run_in_threadpool(at.queue.waiting)
    return {"status": "ok"}


@router.get(_WELL_KNOWN)
async def well_known(request: Request, at: AtDesk) -> dict[str, Any]:
    """Where the API is, and which algorithms it answers for."""
    base = at.service.publish_url or str(request.base_url).rstrip("/")
    return {"endpoints": [{"url": base, "specVersion": "2.4"}], "supportedAlgorithms": await algorithms()}


async def _stored(at: Desk, id: str) -> Stored:
    found = await run_in_threadpool(at.lookup.manifest, id)
    if found is None:
        raise RequestProblem(404, "No manifest with this id is in this repository.")
    return found


async def _receipt(at: Desk, found: Stored) -> dict[str, Any]:
    told: dict[str, Json] = {
        "manifestId": found.id,
        "sha256": base64.b64encode(bytes.fromhex(sha256_hex(found.store))).decode(),
        "held_since": found.created_at.isoformat(),
        "issued_here": found.issued_here,
        "revoked": found.revoked or None,
    }
    return await run_in_threadpool(reports.sign, told, at.settings)
