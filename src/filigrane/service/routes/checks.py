"""The shape of OpenAI's provenance check, with what we find besides."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, File, Request, UploadFile

from filigrane.core.values import Evidence, Finding, Integrity, Trust
from filigrane.service.callers import AtDesk, Detecting, charge, note
from filigrane.service.routes.detections import received, scan
from filigrane.service.schemas import CheckResult, ProvenanceCheck

router = APIRouter(tags=["OpenAI-compatible"])
State = Literal["trusted", "valid", "invalid", "not_present"]


@router.post("/v1/content_provenance_checks", response_model_exclude_none=True)
async def check(
    request: Request, at: AtDesk, caller: Detecting, file: Annotated[UploadFile, File(description="The picture.")]
) -> ProvenanceCheck:
    """Which signals of provenance a picture carries. SynthID can't be read here and is never detected."""
    name, data = await received(at, file, "")
    await charge(at, caller, 1)
    scanned = await scan(at, name, data)
    await note(request, caller, "provenance_check", scanned.sha256)
    found = scanned.verdict.evidence if scanned.verdict is not None else ()
    results = [_c2pa(next((item for item in found if item.source == "manifest"), None))]
    results.append(CheckResult(type="synthid", outcome="not_detected"))
    results += [_plain(item) for item in found if item.source != "manifest"]
    return ProvenanceCheck(created_at=int(time.time()), results=results)


def _c2pa(evidence: Evidence | None) -> CheckResult:
    """The manifest: ``detected`` where it declares that AI made or changed the picture, and holds."""
    if evidence is None or evidence.finding in (Finding.ABSENT, Finding.UNAVAILABLE):
        return CheckResult(type="c2pa", outcome="not_detected", validation_state="not_present")
    details, state = evidence.details, _state(evidence.details)
    return CheckResult(
        type="c2pa",
        outcome="detected" if evidence.llr > 0 and state != "invalid" else "not_detected",
        validation_state=state,
        issuer=_text(details.get("signer")),
        model=_text(details.get("generator")),
        generated_at=_text(details.get("signed_at")),
        summary=evidence.summary,
    )


def _state(details: Mapping[str, object]) -> State:
    if details.get("integrity") != Integrity.INTACT or details.get("signer_trust") in (Trust.REVOKED, Trust.INVALID):
        return "invalid"
    return "trusted" if details.get("signer_trust") == Trust.TRUSTED else "valid"


def _plain(evidence: Evidence) -> CheckResult:
    """A signal of ours: ``detected`` where it was found and speaks for AI or names the picture."""
    found = evidence.finding is Finding.PRESENT and (evidence.llr > 0 or evidence.source == "watermark")
    outcome: Literal["detected", "not_detected"] = "detected" if found else "not_detected"
    return CheckResult(type=evidence.source, outcome=outcome, summary=evidence.summary)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
