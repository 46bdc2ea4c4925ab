"""The shapes of answers, with an example each: what the OpenAPI document shows."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from filigrane.core.values import Finding, Label


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:filigrane:problem:unsupported-format",
                "title": "Unsupported Media Type",
                "status": 415,
                "detail": "The bytes are a PDF document; give one of JPEG, PNG, WebP, GIF, AVIF, TIFF, BMP, HEIC.",
                "request_id": "6f1c0d1e9a5b4b0c8f3e2d1c0b9a8f7e",
            }
        }
    )
    type: str
    title: str
    status: int
    detail: str
    request_id: str


class PictureFacts(BaseModel):
    """What was looked at; the bytes themselves are named by their SHA-256."""

    sha256: str | None
    format: str | None
    width_px: int | None
    height_px: int | None


class VerdictOut(BaseModel):
    """The answer: a label that never says "real", and how it was weighed."""

    label: Label
    probability: float = Field(ge=0, le=1)
    prior: float
    summary: str
    conflicts: list[str]
    thresholds: dict[str, float]
    policy_hash: str
    model_hash: str | None = None
    recommended_action: str


class EvidenceOut(BaseModel):
    """What one source says; ``llr`` in nats, above zero where it speaks for AI."""

    source: str
    finding: Finding
    llr: float
    summary: str
    false_positive_rate: float | None = None
    details: dict[str, Any]


class Retention(BaseModel):
    """For how long what is kept: the result, and the upload (0: not at all)."""

    result_days: int
    upload_days: int


class DetectionOut(BaseModel):
    """One picture looked at. While ``status`` is queued, come back; when failed, ``error`` says why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "det_0199a5c3e1f4b1d2c3a4f5e6d7c8b9a0",
                "object": "detection",
                "status": "completed",
                "created_at": "2026-11-25T05:00:00+00:00",
                "expires_at": "2026-12-25T05:00:00+00:00",
                "picture": {"sha256": "9f86d0…", "format": "png", "width_px": 1024, "height_px": 1024},
                "verdict": {
                    "label": "ai_generated",
                    "probability": 0.9999,
                    "prior": 0.5,
                    "summary": "Generated or edited by AI: A C2PA manifest by Filigrane declares generative AI, …",
                    "conflicts": [],
                    "thresholds": {"ai_generated": 4.6, "likely_ai": 2.2},
                    "policy_hash": "3f2a…",
                    "model_hash": None,
                    "recommended_action": "Label it as made or edited by AI, and show what the manifest says.",
                },
                "evidence": [],
                "notes": [],
                "limits": "A verdict speaks of signs found in this one file. …",
                "retention": {"result_days": 30, "upload_days": 0},
                "links": {"self": "/v1/detections/det_0199…", "report": "/v1/detections/det_0199…/report"},
            }
        }
    )
    id: str
    object: Literal["detection"] = "detection"
    status: Literal["queued", "completed", "failed"]
    created_at: str
    expires_at: str
    picture: PictureFacts | None = None
    verdict: VerdictOut | None = None
    evidence: list[EvidenceOut] = []
    notes: list[str] = []
    error: str | None = None
    limits: str = ""
    retention: Retention
    links: dict[str, str]


class ScanOut(BaseModel):
    """A job over many pictures."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "scan_0199a5c3e1f4b1d2c3a4f5e6d7c8b9a0",
                "object": "scan",
                "state": "running",
                "created_at": "2026-11-25T05:00:00+00:00",
                "expires_at": "2026-12-25T05:00:00+00:00",
                "total": 1000,
                "done": 420,
                "unreadable": 1,
                "webhook_secret": None,
            }
        }
    )
    id: str
    object: Literal["scan"] = "scan"
    state: Literal["running", "done", "cancelled"]
    created_at: str
    expires_at: str
    total: int
    done: int
    unreadable: int
    webhook_secret: str | None = None


class ScanResults(BaseModel):
    """A page of finished records, in the order in which they were finished; go on with ``next_cursor``."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    next_cursor: str | None = Field(description="None where the job is over and this was the last page")


class FeedbackIn(BaseModel):
    """What somebody thinks of a verdict."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "detection_id": "det_0199a5c3e1f4b1d2c3a4f5e6d7c8b9a0",
                "opinion": "disagree",
                "comment": "Mine.",
            }
        },
    )
    detection_id: str = Field(max_length=100)
    opinion: Literal["agree", "disagree", "unsure"]
    comment: str = Field("", max_length=2000)


class FeedbackOut(BaseModel):
    """Feedback as taken."""

    id: str
    object: Literal["feedback"] = "feedback"


class CheckResult(BaseModel):
    """One signal: ``c2pa`` and ``synthid`` as OpenAI has them, and ours, such as ``metadata`` and ``watermark``."""

    type: str
    outcome: Literal["detected", "not_detected"]
    validation_state: Literal["trusted", "valid", "invalid", "not_present"] | None = None
    issuer: str | None = None
    model: str | None = None
    generated_at: str | None = None
    summary: str | None = None


class ProvenanceCheck(BaseModel):
    """The shape of OpenAI's content provenance check."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "object": "content_provenance_check",
                "created_at": 1795582800,
                "results": [
                    {"type": "c2pa", "outcome": "detected", "validation_state": "trusted", "issuer": "Filigrane user"},
                    {"type": "synthid", "outcome": "not_detected"},
                ],
            }
        }
    )
    object: Literal["content_provenance_check"] = "content_provenance_check"
    created_at: int
    results: list[CheckResult]


class SignedReport(BaseModel):
    """A flattened JSON Web Signature (RFC 7515); ``report`` repeats the payload for human eyes."""

    payload: str
    protected: str
    signature: str
    report: dict[str, Any]


class AuditOut(BaseModel):
    """Lines of the audit log; go on with the last ``seq``."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]


class MatchOut(BaseModel):
    """A manifest that answers a query."""

    manifestId: str  # noqa: N815 (the specification's spelling)
    similarityScore: int | None = Field(None, ge=0, le=100)  # noqa: N815


class Matches(BaseModel):
    """The answer of the Soft Binding Resolution API to a query."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"matches": [{"manifestId": "urn:c2pa:6a1f…", "similarityScore": 98}]}}
    )
    matches: list[MatchOut]


class BindingIn(BaseModel):
    """A soft binding to look up; ``value`` is base64."""

    alg: str = Field(min_length=1, max_length=200)
    value: str = Field(min_length=1, max_length=4096)
    maxResults: int = Field(10, ge=1, le=100)  # noqa: N815


class BindingOfManifest(BaseModel):
    """A soft binding to attach to a manifest; ``value`` is base64."""

    manifestId: str = Field(min_length=1, max_length=500)  # noqa: N815
    alg: str = Field(min_length=1, max_length=200)
    value: str = Field(min_length=1, max_length=4096)
