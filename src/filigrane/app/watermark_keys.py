"""Keys of the watermark: make the first private one, replace it by a newer one, list them all.

Older keys stay where they are, because a mark can only be read with the key it was written with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filigrane.core.errors import UsageError
from filigrane.core.settings import Settings
from filigrane.watermark import keys
from filigrane.watermark.keys import MAX_KEYS, Key, KeyRing, Profile


@dataclass(frozen=True, slots=True)
class WatermarkKey:
    """One key without its secret: ``path`` is None for the public one; ``writes`` if new marks are made with it."""

    id: str
    profile: Profile
    created: datetime
    path: Path | None
    writes: bool


def create_watermark_key(settings: Settings) -> WatermarkKey:
    """Make the first private key; raises UsageError where there is one already."""
    ring = keys.load_ring(keys.key_folder(settings.home))
    if ring.embedding.profile == "private":
        raise UsageError(
            f"There is the key {ring.embedding.id} already; filigrane keys watermark rotate makes a newer."
        )
    return _made(settings, ring)


def rotate_watermark_key(settings: Settings) -> WatermarkKey:
    """Make a newer private key, which new marks are written with; marks of older keys are still read.

    Raises UsageError where there is none to replace, or where the ring is full.
    """
    ring = keys.load_ring(keys.key_folder(settings.home))
    if ring.embedding.profile != "private":
        raise UsageError("There is no private watermark key to replace; filigrane keys watermark create makes one.")
    return _made(settings, ring)


def list_watermark_keys(settings: Settings) -> tuple[WatermarkKey, ...]:
    """All keys that marks are read with, the one that writes first, the public one last."""
    ring = keys.load_ring(keys.key_folder(settings.home))
    return tuple(_told(settings, key, writes=key == ring.embedding) for key in ring.keys)


def _made(settings: Settings, ring: KeyRing) -> WatermarkKey:
    if len(ring.keys) >= MAX_KEYS:
        raise UsageError(f"There are {len(ring.keys)} keys, the most a ring holds: move old key files elsewhere.")
    after = ring.embedding.created + timedelta(seconds=1)  # times have whole seconds, and the newest key must be one
    key = keys.create(keys.key_folder(settings.home), now=max(datetime.now(UTC), after))
    return _told(settings, key, writes=True)


def _told(settings: Settings, key: Key, *, writes: bool) -> WatermarkKey:
    path = keys.key_folder(settings.home) / f"{key.id}.json" if key.profile == "private" else None
    return WatermarkKey(key.id, key.profile, key.created, path, writes)
