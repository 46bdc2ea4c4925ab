"""The JSON form of a scan: what reports, the journal and the service write, with personal data redacted by default."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping

from filigrane.app.scan import Scanned
from filigrane.core.text import encodable
from filigrane.core.values import Evidence, Json, Verdict

Record = Mapping[str, Json]


def to_record(scanned: Scanned, *, show_personal: bool = False) -> dict[str, Json]:
    """``scanned`` as JSON: path, sha256, format, size, verdict and evidence, or the error in one sentence.

    Places, names and serial numbers are replaced by the list of fields left out, unless ``show_personal``.
    """
    record: dict[str, Json] = {
        "path": scanned.path,
        "sha256": scanned.sha256 or None,
        "format": scanned.format or None,
        "width_px": scanned.width_px or None,
        "height_px": scanned.height_px or None,
        "verdict": None,
        "evidence": [],
        "notes": list(scanned.notes),
        "error": None,
    }
    if scanned.verdict is not None:
        record["verdict"] = _verdict(scanned.verdict)
        record["evidence"] = [_evidence(item, show_personal) for item in scanned.verdict.evidence]
    if scanned.error:
        record["error"] = {"kind": scanned.error_kind, "message": scanned.error}
    if scanned.thumbnail:
        record["thumbnail"] = base64.b64encode(scanned.thumbnail).decode("ascii")
    return {name: _plain(value) for name, value in record.items()}


def _verdict(verdict: Verdict) -> dict[str, Json]:
    return {
        "label": verdict.label.value,
        "probability": round(verdict.probability, 6),
        "prior": verdict.prior,
        "summary": verdict.summary,
        "conflicts": list(verdict.conflicts),
        "policy_hash": verdict.policy_hash,
        "model_hash": verdict.model_hash or None,
    }


def _evidence(item: Evidence, show_personal: bool) -> dict[str, Json]:
    return {
        "source": item.source,
        "finding": item.finding.value,
        "llr": round(item.llr, 4),
        "summary": item.summary,
        "false_positive_rate": item.false_positive_rate,
        "details": item.details if show_personal else redact(item.details),
    }


def redact(value: Json) -> Json:
    """``value`` without the contents of anything called ``personal``, at any depth; the names of its fields stay.

    >>> redact({"make": "Canon", "personal": {"gps": "48.1, 11.5"}})
    {'make': 'Canon', 'personal': {'redacted': ['gps']}}
    """
    if isinstance(value, Mapping):
        return {
            key: {"redacted": sorted(inner)} if key == "personal" and isinstance(inner, Mapping) else redact(inner)
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redact(inner) for inner in value]
    return value


def _plain(value: Json) -> Json:
    """``value`` with nothing in it that JSON in UTF-8 can't hold: tuples become lists, not-a-number becomes null."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, Mapping):
        return {encodable(str(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
