"""From stored results to the shapes of answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from filigrane.app.records import Record
from filigrane.app.serving.queue import ScanState
from filigrane.app.serving.reports import LIMITS
from filigrane.app.serving.results import Detection
from filigrane.service.desk import Desk
from filigrane.service.pages import texts
from filigrane.service.schemas import DetectionOut, EvidenceOut, PictureFacts, Retention, VerdictOut


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
        verdict=_verdict(record),
        evidence=[EvidenceOut.model_validate(item) for item in _list(record["evidence"])],
        notes=[str(note) for note in _list(record["notes"])],
        error=str(error["message"]) if isinstance(error, Mapping) else None,
        limits=LIMITS,
        retention=_retention(at, kept=bool(found.upload)),
        links=links,
    )


def queued(at: Desk, scan: ScanState) -> DetectionOut:
    """A detection that is still in the queue."""
    return DetectionOut(
        id=scan.id,
        status="queued",
        created_at=scan.created_at.isoformat(),
        expires_at=scan.expires_at.isoformat(),
        retention=_retention(at, kept=False),
        links={"self": f"{at.service.publish_url}/v1/detections/{scan.id}"},
    )


def _retention(at: Desk, *, kept: bool) -> Retention:
    """For how long the result is kept, and the upload where it is ``kept``."""
    days = at.service.result_days
    return Retention(result_days=days, upload_days=days if kept else 0)


def _verdict(record: Record) -> VerdictOut | None:
    verdict = record["verdict"]
    if not isinstance(verdict, Mapping):
        return None
    replay = record["replay"]
    thresholds = replay["thresholds"] if isinstance(replay, Mapping) else {}
    action = texts("en")[f"advice.{verdict['label']}"]
    return VerdictOut.model_validate({**verdict, "thresholds": thresholds, "recommended_action": action})


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []
