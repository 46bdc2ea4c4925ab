"""From stored results to the shapes of answers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from filigrane.app.records import Record
from filigrane.app.reports import LIMITS
from filigrane.app.results import Detection, model_hash
from filigrane.app.scan_queue import ScanState
from filigrane.core.values import Label
from filigrane.service.desk import Desk
from filigrane.service.schemas import DetectionOut, EvidenceOut, PictureFacts, Retention, VerdictOut

ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        Label.AI_GENERATED: "Label it as made or edited by AI, and show on what that rests.",
        Label.LIKELY_AI: "Have a person look at it, and ask for the original; don't accuse anybody on this alone.",
        Label.INCONCLUSIVE: "Ask for the original file, and have a person look at it.",
        Label.NO_EVIDENCE_OF_AI: "Don't call it real: only say that no sign was found.",
        Label.AUTHENTIC_PROVENANCE: "Show who signed it; check that what it is said to show fits.",
        Label.NOT_APPLICABLE: "Nothing to do: there is nothing on it to judge.",
    }
)


def detection(at: Desk, found: Detection) -> DetectionOut:
    """A stored result as the answer shows it."""
    record, here = found.record, f"{at.service.publish_url}/v1/detections/{found.id}"
    links = {"self": here, "report": f"{here}/report"} | ({"heatmap": f"{here}/heatmap"} if "heatmap" in record else {})
    error = record["error"]
    return DetectionOut(
        id=found.id,
        status="completed" if record["verdict"] else "failed",
        created_at=found.created_at.isoformat(),
        expires_at=found.expires_at.isoformat(),
        picture=PictureFacts.model_validate(record, from_attributes=False),
        verdict=_verdict(at, record),
        evidence=[EvidenceOut.model_validate(item) for item in _list(record["evidence"])],
        notes=[str(note) for note in _list(record["notes"])],
        error=str(error["message"]) if isinstance(error, Mapping) else None,
        limits=LIMITS,
        retention=retention(at),
        links=links,
    )


def queued(at: Desk, scan: ScanState) -> DetectionOut:
    """A detection that is still in the queue."""
    return DetectionOut(
        id=scan.id,
        status="queued",
        created_at=scan.created_at.isoformat(),
        expires_at=scan.expires_at.isoformat(),
        retention=retention(at),
        links={"self": f"{at.service.publish_url}/v1/detections/{scan.id}"},
    )


def retention(at: Desk) -> Retention:
    """What is kept, and for how long."""
    days = at.service.result_days
    return Retention(result_days=days, upload_days=days if at.service.keep_uploads else 0)


def _verdict(at: Desk, record: Record) -> VerdictOut | None:
    verdict = record["verdict"]
    if not isinstance(verdict, Mapping):
        return None
    thresholds = dict(at.runtime.policy.thresholds)
    action = ACTIONS[str(verdict["label"])]
    told = {"thresholds": thresholds, "recommended_action": action, "model_hash": model_hash(record)}
    return VerdictOut.model_validate({**verdict, **told})


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []
