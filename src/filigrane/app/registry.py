"""The registry from outside: what happened to its marks, all it knows as records, and taking a mark back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from filigrane.core.errors import UsageError
from filigrane.core.settings import Settings
from filigrane.core.values import Json
from filigrane.provenance.registry import AuditEntry, IssuedMark, Registry

_ID = re.compile(r"[0-9a-f]{15}")


def audit_marks(settings: Settings, mark: str = "") -> tuple[AuditEntry, ...]:
    """What happened to ``mark`` (fifteen hexadecimal digits), or to all marks, oldest first."""
    with Registry.open(settings.home, settings.registry_url) as registry:
        return registry.audit(_number(mark) if mark else None)


def revoke_mark(settings: Settings, mark: str, reason: str) -> None:
    """Say that ``mark`` no longer stands; NotFound where it was never issued, UsageError where that is said already."""
    with Registry.open(settings.home, settings.registry_url) as registry:
        registry.revoke(_number(mark), reason)


def export_marks(settings: Settings) -> Iterator[dict[str, Json]]:
    """Every issued mark as a record, one at a time, without the manifest itself, which `recover` gives."""
    with Registry.open(settings.home, settings.registry_url) as registry:
        yield from map(_record, registry.export())


def _number(mark: str) -> int:
    if not _ID.fullmatch(mark.lower()):
        raise UsageError(
            f"{mark[:40]!r} is not the id of a mark: give fifteen hexadecimal digits, as mark prints them."
        )
    return int(mark, 16)


def _record(mark: IssuedMark) -> dict[str, Json]:
    texts = ("alg", "key_id", "manifest_id", "sha256", "original_sha256", "format", "title")
    system = ("provider", "system", "system_version")
    return {
        "mark": f"{mark.id:015x}",
        **{name: str(getattr(mark, name)) for name in (*texts, *system)},
        "issued_at": mark.created_at.isoformat(),
        "revoked_at": mark.revoked.at.isoformat() if mark.revoked else None,
        "reason": mark.revoked.reason if mark.revoked else None,
    }
