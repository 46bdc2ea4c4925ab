"""Marking files and folders: what becomes of each input, in guarded workers, so that one bad file never stops the rest.

A run leaves no journal behind: its outputs are the journal. With ``resume`` an output that the registry knows as the
mark of the same original is left as it is, so that every picture is marked exactly once however often a run dies.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache, partial
from pathlib import Path

from PIL import Image

from filigrane import __version__
from filigrane.app.inputs import expand
from filigrane.app.mark import Draft, Marker
from filigrane.core.errors import UnsupportedFormat, UsageError
from filigrane.core.formats import EXTENSIONS, other_owner
from filigrane.core.image import decode, read_file
from filigrane.core.parallel import GuardedPool
from filigrane.core.settings import Settings
from filigrane.core.text import printable
from filigrane.core.values import Picture, sha256_hex
from filigrane.provenance import containers
from filigrane.provenance.labels import Labels, Tc260
from filigrane.provenance.manifest import Declaration, Disclosure, Edit, Software, Source
from filigrane.provenance.read import MEDIA_TYPES_READ
from filigrane.provenance.source_types import Generative, SourceType
from filigrane.watermark.keys import Profile

BEST_QUALITY = 95
LEAST_QUALITY = 75
"""What the mark is made to survive: a JPEG that was saved with less is saved with this."""
_STANDARD_SUM = 3688
"""Sum of the 64 entries of the standard luminance table at quality 50 (ITU-T T.81, table K.1)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is said of the pictures beside their marks; empty where nothing is said.

    ``provider``, ``system`` and ``system_version`` are the latent disclosure of California SB 942; ``tc260`` adds the
    label of GB 45438-2025, for which the source type must be one of generative AI.
    """

    title: str = ""
    source_type: SourceType | None = None
    provider: str = ""
    system: str = ""
    system_version: str = ""
    tc260: bool = False


@dataclass(frozen=True, slots=True)
class MarkJob:
    """What is asked: files, folders or patterns; a file or a folder to write to; keys, and what is said."""

    inputs: tuple[str, ...]
    output: Path
    facts: Facts = field(default_factory=Facts)
    profile: Profile | None = None
    key_id: str = ""
    resume: bool = False


class Outcome(StrEnum):
    """What became of one input."""

    MARKED = "marked"
    DONE_BEFORE = "done_before"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Marked:
    """One input with what became of it: the mark's id and manifest, or the sentence that says why there is none."""

    source: str
    target: str
    outcome: Outcome
    mark: int | None = None
    manifest_id: str = ""
    warnings: tuple[str, ...] = ()
    error: str = ""
    exit_code: int = 0


def run(job: MarkJob, settings: Settings) -> Iterator[Marked]:
    """Mark everything that ``job`` names; results come as they are ready, one for each picture.

    Raises before the first picture where the request is wrong (UsageError) or a key is missing (NotFound).
    """
    _check_facts(job.facts)
    pairs = plan(job)
    Marker.open(settings, profile=job.profile, key_id=job.key_id).close()
    return _results(job, settings, pairs)


def plan(job: MarkJob) -> tuple[tuple[Path, Path], ...]:
    """Pairs of source and target in a stable order; files of a folder keep their places below it.

    Raises UsageError where two sources have one target, or a target is a source.
    """
    targets: dict[Path, Path] = {}
    folders = [Path(text) for text in job.inputs if Path(text).is_dir()]
    output = job.output.resolve()
    outputs_inside = any(folder.resolve() in output.parents for folder in folders)
    for text in job.inputs:
        if text == "-":
            raise UsageError("Standard input can't be marked; save the picture to a file first.")
        for item in expand([text], max_bytes=1):
            source = Path(item.path)
            if item.member:
                raise UsageError(f"{item.name} can't be marked where it lies; unpack it into a folder first.")
            if not (outputs_inside and output in source.resolve().parents):
                targets[source] = job.output / (source.relative_to(text) if Path(text) in folders else source.name)
    if len(targets) == 1 and not folders and not job.output.is_dir():
        targets = dict.fromkeys(targets, job.output)
    _check_targets(targets)
    return tuple(targets.items())


def _check_targets(targets: dict[Path, Path]) -> None:
    if not targets:
        raise UsageError("The inputs hold no pictures to mark.")
    sources, taken = {source.resolve() for source in targets}, dict[Path, Path]()
    for source, target in targets.items():
        if target.resolve() in sources:
            raise UsageError(f"{target} is one of the pictures to be marked, which stay as they are; give another -o.")
        if (other := taken.setdefault(target, source)) != source:
            raise UsageError(f"{other} and {source} would both be written to {target}; mark them into two folders.")


def _check_facts(facts: Facts) -> None:
    generative = facts.source_type is not None and facts.source_type.generative is not Generative.NO
    if facts.tc260 and not (generative and facts.provider):
        raise UsageError("A TC260 label says who made AI content: give --source-type of generative AI and --provider.")
    if (facts.system or facts.system_version) and not facts.provider:
        raise UsageError("A disclosure names who provides the system: give --provider beside --system.")


def _results(job: MarkJob, settings: Settings, pairs: tuple[tuple[Path, Path], ...]) -> Iterator[Marked]:
    workers = min(settings.worker_count, len(pairs))
    with GuardedPool(workers, settings.memory_bytes, settings.timeout_s) as pool:
        for (source, target), result in pool.map(partial(_work, job, settings), pairs):
            if isinstance(result, Marked):
                yield result
            else:
                yield Marked(str(source), str(target), Outcome.FAILED, error=str(result), exit_code=result.exit_code)


def _work(job: MarkJob, settings: Settings, pair: tuple[Path, Path]) -> Marked:
    """One picture, in a worker process; the pool turns errors into values."""
    return _worker(job, settings)(*pair)


@lru_cache(maxsize=1)
def _worker(job: MarkJob, settings: Settings) -> _Worker:
    """What a worker process keeps from picture to picture: keys, carriers and the connection to the registry."""
    return _Worker(job, settings)


class _Worker:
    """Marks the pictures of one job, one after the other."""

    def __init__(self, job: MarkJob, settings: Settings) -> None:
        self._job = job
        self._limits = settings.limits
        self._marker = Marker.open(settings, profile=job.profile, key_id=job.key_id)

    def __call__(self, source: Path, target: Path) -> Marked:
        data = read_file(source, self._limits)
        if self._job.resume and (done := self._marker.finish(target, sha256_hex(data))) is not None:
            return Marked(str(source), str(target), Outcome.DONE_BEFORE, done.id, done.manifest_id)
        picture = decode(data, origin=str(source), limits=self._limits)
        _check_ending(source, target, picture.format)
        made = self._marker.mark(draft(picture, self._job.facts), target)
        return Marked(
            str(source), str(target), Outcome.MARKED, made.mark.id, made.mark.manifest_id, warnings=made.warnings
        )


def _check_ending(source: Path, target: Path, format: str) -> None:
    """Marking keeps the format: a name may be as wrong as that of the source was, but not newly wrong."""
    if target.suffix.lower() != source.suffix.lower() and other_owner(target.suffix, format):
        wanted = ", ".join(EXTENSIONS[format])
        raise UsageError(f"Marking keeps the format, which is {format.upper()}: name {target.name} to end in {wanted}.")


def draft(picture: Picture, facts: Facts) -> Draft:
    """How ``picture`` is marked: in its own format, at its own quality, with itself as the parent.

    Raises UnsupportedFormat for formats that can't be signed and for animations, of which only one frame would stay.
    """
    if picture.format not in MEDIA_TYPES_READ:
        able = ", ".join(MEDIA_TYPES_READ)
        raise UnsupportedFormat(f"A {picture.format} file can't be signed; convert it to one of {able}.")
    if picture.frames > 1:
        raise UnsupportedFormat(
            f"The file has {picture.frames} frames, and only the first would stay; mark its frames one by one."
        )
    at = datetime.now(UTC)
    software = Software("Filigrane", __version__)
    title = facts.title or printable(Path(picture.origin).name)
    system = Software(facts.system or software.name, facts.system_version)
    by_ai = facts.source_type is not None and facts.source_type.generative is Generative.YES
    # A picture of unknown origin, or one that has a history, is an edited parent; else the source type says it all.
    created = facts.source_type is not None and not containers.read(picture.data, picture.format).has_c2pa
    return Draft(
        pixels=picture.pixels,
        format=picture.format,
        alpha=picture.alpha,
        quality=_quality(picture),
        original=picture.data,
        labels=Labels(
            source_type=facts.source_type,
            system=facts.system if by_ai else "",
            system_version=facts.system_version if by_ai else "",
            tc260=Tc260(facts.provider, "") if facts.tc260 else None,
        ),
        declaration=Declaration(
            agent=software,
            claimant=software,
            at=at,
            source_type=facts.source_type,
            title=title,
            edit=Edit.EDITED if facts.source_type is not None else None,
            sources=() if created else (Source(picture.data, picture.format, title),),
            disclosure=Disclosure(facts.provider, system, at, "") if facts.provider else None,
        ),
    )


def _quality(picture: Picture) -> int | None:
    """The quality to write with: that of a JPEG as far as it can be told, None where the source is lossless."""
    if picture.format == "webp" and _is_lossless(picture.data):
        return None
    if picture.format != "jpeg":
        return BEST_QUALITY
    with Image.open(io.BytesIO(picture.data), formats=("JPEG",)) as image:
        tables: dict[int, list[int]] = getattr(image, "quantization", {})
    total = sum(tables.get(0, ()))
    if not total:
        return BEST_QUALITY
    scale = 100 * total / _STANDARD_SUM
    quality = round((200 - scale) / 2 if scale <= 100 else 5000 / scale)
    return min(max(quality, LEAST_QUALITY), BEST_QUALITY)


def _is_lossless(webp: bytes) -> bool:
    """Whether the picture of a WebP file is in a VP8L chunk (RFC 9649); it comes after a few small ones."""
    at = 12
    for _ in range(16):
        kind, size = webp[at : at + 4], int.from_bytes(webp[at + 4 : at + 8], "little")
        if kind in (b"VP8L", b"VP8 "):
            return kind == b"VP8L"
        at += 8 + size + size % 2
    return False
