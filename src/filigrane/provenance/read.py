"""Reading a C2PA manifest: whether the signed bytes still match, who signed, and what the manifest declares.

The two questions are answered apart: "tampered" is said only where signed bytes no longer match, while an expired or
unknown signer is called just that. Nothing is fetched; a manifest that is kept elsewhere is named by its address.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import c2pa

from filigrane.core.formats import MEDIA_TYPES
from filigrane.core.values import Integrity, Manifest, Problem, Trust
from filigrane.provenance import padding
from filigrane.provenance.codes import problem
from filigrane.provenance.trust import TrustStore
from filigrane.provenance.walk import MAX_TEXT, Record, to_manifest

MEDIA_TYPES_READ = {name: media_type for name, media_type in MEDIA_TYPES.items() if name != "bmp"}
"""The formats in which the C2PA library finds manifests, and their media types."""

_BLANK = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636000000002000148afa4710000000049454e44ae426082"
)
"""A PNG of one black pixel."""
_TRACES = (b"jumb", b"provenance")
"""Every manifest, and every reference to one kept elsewhere, holds one of these; looking for them is fast."""
_STRAY = "a manifest store lies where no reader looks for it"
_REMOTE = re.compile(r"^Remote: .*\burl\s+(\S+)\s*$", re.DOTALL)
_BROKEN_FILE = ("asset could not be parsed", "NotSupported", "Io:")
_UNKNOWN_KIND = ("unsupported", "unknown algorithm")


def read_manifest(data: bytes, format: str, trust: TrustStore, sidecar: bytes | None = None) -> Manifest | None:
    """The active manifest of a file (or the one of ``sidecar``), validated against the bytes and the anchors.

    ``format`` is the type found from the bytes. None where there is no manifest or the format holds none; a damaged
    manifest is a value too, with its problem. Never raises for what the file holds.
    """
    media_type = MEDIA_TYPES_READ.get(format)
    if media_type is None:
        return None
    if sidecar is None and not any(trace in data for trace in _TRACES):
        return None
    holder, kind = (data, format) if sidecar is None else (sidecar, "")
    try:
        report = _report(data, media_type, trust, sidecar)
    except (c2pa.C2paError, ValueError, RecursionError) as error:
        return _unreadable(str(error), holder)
    if report is None:
        stray = padding.STORE in data
        return _damaged(Integrity.UNVERIFIED, problem("manifest.unreadable", detail=_STRAY)) if stray else None
    manifest = to_manifest(report)
    if not padding.is_altered(holder, kind):
        return manifest
    told = problem("manifest.padding.mismatch", manifest.label)
    return replace(manifest, integrity=Integrity.TAMPERED, problems=(*manifest.problems, told))


def read_store(store: bytes, trust: TrustStore) -> Manifest | None:
    """A manifest store validated apart from its picture: held against a blank one, which its hash never fits."""
    return read_manifest(_BLANK, "png", trust, sidecar=store)


def _report(data: bytes, media_type: str, trust: TrustStore, sidecar: bytes | None) -> Record | None:
    reader = c2pa.Reader.try_create(media_type, io.BytesIO(data), sidecar, trust.context())
    if reader is None:
        return None
    with reader:
        report = json.loads(reader.json())
    return report if isinstance(report, dict) else {}


def _unreadable(message: str, data: bytes) -> Manifest | None:
    """What to say of a file that the library refuses; None where its bytes hold no trace of a manifest."""
    if remote := _REMOTE.match(message):
        address = remote[1][:MAX_TEXT]
        return _damaged(Integrity.UNVERIFIED, problem("manifest.inaccessible", address, address))
    if b"jumb" not in data:
        return None
    detail = message[:MAX_TEXT]
    if any(word in message for word in _BROKEN_FILE):
        return _damaged(Integrity.UNVERIFIED, problem("manifest.unreadable", detail=detail))
    if any(word in message for word in _UNKNOWN_KIND):
        return _damaged(Integrity.UNVERIFIED, problem("algorithm.unsupported", detail=detail))
    return _damaged(Integrity.TAMPERED, problem("manifest.malformed", detail=detail))


def _damaged(integrity: Integrity, told: Problem) -> Manifest:
    trust = Trust.UNKNOWN if integrity is Integrity.UNVERIFIED else Trust.INVALID
    return Manifest(label="", integrity=integrity, trust=trust, signer="", generator="", problems=(told,))
