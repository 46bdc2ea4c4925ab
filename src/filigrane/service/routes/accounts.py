"""What holders of keys and operators look up: the audit log and the models there are."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from filigrane.app.models import list_models
from filigrane.core.values import Json
from filigrane.service.callers import Anybody, AtDesk, Auditing
from filigrane.service.schemas import AuditOut

router = APIRouter()


@router.get("/v1/audit", tags=["running it"])
async def audit(
    at: AtDesk,
    caller: Auditing,
    after: Annotated[int, Query(ge=0, le=2**62, description="seq of the last line you have.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AuditOut:
    """Who did what, oldest first; pictures, prompts and addresses of callers are not in it."""
    lines = await run_in_threadpool(lambda: at.results.audit(after=after, limit=limit))
    told: list[dict[str, Json]] = [
        {
            "seq": line.seq,
            "at": line.at.isoformat(),
            "request_id": line.request_id,
            "owner": line.owner or None,
            "action": line.action,
            "subject": line.subject,
        }
        for line in lines
    ]
    return AuditOut(data=told)


@router.get("/v1/models", tags=["OpenAI-compatible"])
async def models(at: AtDesk, caller: Anybody) -> dict[str, Any]:
    """What draws and what detects, in the shape of OpenAI's list of models, with the digest of each set of weights."""
    shape = {"object": "model", "created": 0, "owned_by": "filigrane"}
    found = [{"id": at.drawing.model, "task": "generation"}]
    found += [{"id": name, "task": "detection"} for name in at.runtime.source_names]
    listed = await run_in_threadpool(list_models)
    found += [{"id": each.card.name, "task": "weights", "sha256": each.card.sha256} for each in listed]
    return {"object": "list", "data": [entry | shape for entry in found]}
