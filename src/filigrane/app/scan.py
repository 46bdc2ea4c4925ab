"""Scan: bytes in, verdict out. Hostile bytes are parsed in guarded workers; models run here, in the host process."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np
from PIL import Image

from filigrane.app.inputs import Item
from filigrane.app.runtime import Runtime
from filigrane.core.errors import FiligraneError
from filigrane.core.image import decode
from filigrane.core.parallel import GuardedPool
from filigrane.core.settings import Settings
from filigrane.core.values import Evidence, Finding, Picture, Verdict
from filigrane.detector.base import EvidenceSource
from filigrane.detector.fusion import fuse

SMALLEST_PX = 16


@dataclass(frozen=True, slots=True)
class Scanned:
    """What became of one input: a verdict, or the sentence that says why there is none.

    ``exit_code`` and ``http_status`` are those of the error, 0 and 200 where there is none; ``thumbnail`` is a JPEG
    or empty.
    """

    path: str
    sha256: str = ""
    format: str = ""
    width_px: int = 0
    height_px: int = 0
    verdict: Verdict | None = None
    notes: tuple[str, ...] = ()
    thumbnail: bytes = b""
    error: str = ""
    error_kind: str = ""
    exit_code: int = 0
    http_status: int = 200


@dataclass(frozen=True, slots=True)
class _Examined:
    """What a guarded worker sends back: the picture itself only where a source of the host needs it."""

    scanned: Scanned
    evidence: tuple[Evidence, ...]
    depicts: bool
    picture: Picture | None


class Examiner:
    """Decodes pictures and asks the guarded sources; each worker process gets its own copy and keeps what it loads."""

    def __init__(self, settings: Settings, sources: tuple[str, ...], thumbnail_px: int = 0) -> None:
        self._runtime = Runtime(settings, sources=sources)
        self._thumbnail_px = thumbnail_px

    def __call__(self, item: Item) -> _Examined:
        """The guarded half of a scan; raises FiligraneError where the input can't be read."""
        settings = self._runtime.settings
        picture = decode(item.read(settings), origin=item.member or item.path, limits=settings.limits)
        guarded = tuple(source for source in self._runtime.sources if source.guarded)
        scanned = Scanned(
            path=item.name,
            sha256=picture.sha256,
            format=picture.format,
            width_px=picture.width_px,
            height_px=picture.height_px,
            notes=picture.notes,
            thumbnail=_thumbnail(picture, self._thumbnail_px) if self._thumbnail_px else b"",
        )
        return _Examined(
            scanned=scanned,
            evidence=tuple(_ask(source, picture) for source in guarded),
            depicts=_depicts(picture),
            picture=picture if len(guarded) < len(self._runtime.sources) else None,
        )


def scan_items(items: Iterable[Item], runtime: Runtime, *, thumbnail_px: int = 0) -> Iterator[tuple[Item, Scanned]]:
    """Scan ``items`` in guarded workers; results come as they are ready, one for each item, errors included."""
    settings = runtime.settings
    examine, rest = Examiner(settings, runtime.source_names, thumbnail_px), iter(items)
    first = list(islice(rest, settings.worker_count))  # no more workers than pictures
    with GuardedPool(len(first), settings.memory_bytes, settings.timeout_s) as pool:
        for item, outcome in pool.map(examine, chain(first, rest)):
            if isinstance(outcome, FiligraneError):
                yield item, _failed(item, outcome)
            else:
                yield item, _complete(outcome, runtime)


def scan_picture(picture: Picture, runtime: Runtime) -> Verdict:
    """The verdict on a picture already decoded and trusted not to harm, such as one this program has just written."""
    evidence = tuple(_ask(source, picture) for source in runtime.sources)
    return _fuse(evidence, picture.sha256, runtime, _depicts(picture))


def _complete(examined: _Examined, runtime: Runtime) -> Scanned:
    scanned, evidence = examined.scanned, examined.evidence
    if examined.picture is not None:
        hosted = (source for source in runtime.sources if not source.guarded)
        evidence += tuple(_ask(source, examined.picture) for source in hosted)
    verdict = _fuse(evidence, scanned.sha256, runtime, examined.depicts)
    return replace(scanned, verdict=verdict)


def _fuse(evidence: tuple[Evidence, ...], sha256: str, runtime: Runtime, depicts: bool) -> Verdict:
    return fuse(evidence, sha256=sha256, policy=runtime.policy, prior=runtime.settings.prior, depicts=depicts)


def _ask(source: EvidenceSource, picture: Picture) -> Evidence:
    """What ``source`` says; a source that fails on this picture says so and stays silent in the verdict."""
    try:
        return source.examine(picture)
    except MemoryError:
        raise
    except FiligraneError as error:
        return Evidence(source.name, Finding.UNAVAILABLE, 0.0, str(error))


def _failed(item: Item, error: FiligraneError) -> Scanned:
    return Scanned(
        path=item.name,
        error=str(error),
        error_kind=type(error).__name__,
        exit_code=error.exit_code,
        http_status=error.http_status,
    )


def _depicts(picture: Picture) -> bool:
    """Whether there is anything on the picture: not one flat colour, and not a speck."""
    pixels = picture.pixels
    if min(picture.width_px, picture.height_px) < SMALLEST_PX:
        return False
    return bool(np.any(pixels[:1] != pixels[0, 0]) or np.any(pixels[::7, ::7] != pixels[0, 0]) or np.ptp(pixels) > 0)


def _thumbnail(picture: Picture, size_px: int) -> bytes:
    image = Image.fromarray(picture.pixels)
    image.thumbnail((size_px, size_px), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=80)
    return stream.getvalue()
