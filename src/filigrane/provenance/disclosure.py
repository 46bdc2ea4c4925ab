"""Reading back the latent disclosure of California SB 942 that our manifests carry."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from datetime import datetime

import c2pa

from filigrane.provenance.manifest import DISCLOSURE_LABEL, MAX_TEXT, Disclosure, Software
from filigrane.provenance.read import MEDIA_TYPES_READ
from filigrane.provenance.trust import TrustStore


def read_disclosure(data: bytes, format: str, trust: TrustStore) -> Disclosure | None:
    """The disclosure in the active manifest of a file, or None; whether that manifest holds is another question."""
    media_type = MEDIA_TYPES_READ.get(format)
    if media_type is None or DISCLOSURE_LABEL.encode() not in data:
        return None
    try:
        reader = c2pa.Reader.try_create(media_type, io.BytesIO(data), None, trust.context())
        if reader is None:
            return None
        with reader:
            report = json.loads(reader.json())
        active = report["manifests"][report["active_manifest"]]
        (told,) = (item["data"] for item in active["assertions"] if item["label"] == DISCLOSURE_LABEL)
    except (c2pa.C2paError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return _disclosure(told) if isinstance(told, Mapping) else None


def _disclosure(told: Mapping[str, object]) -> Disclosure | None:
    system = told.get("system")
    named = system if isinstance(system, Mapping) else {}
    with contextlib.suppress(ValueError):
        at = datetime.fromisoformat(_text(told.get("created")))
        return Disclosure(
            provider=_text(told.get("provider")),
            system=Software(_text(named.get("name")), _text(named.get("version"))),
            at=at,
            id=_text(told.get("id")),
        )
    return None


def _text(value: object) -> str:
    return value.strip()[:MAX_TEXT] if isinstance(value, str) else ""
