"""Recover: from a picture that lost its manifest back to the manifest, by the mark in its pixels.

Three ways lead there, the surest first: the very bytes, the mark in the pixels, and, much weaker, how the picture
looks. A mark can be copied from one picture to another; therefore the picture is compared with the look that was
registered, and a mark on another picture is called a copy. Whether the stored manifest itself holds is one
question, whether its picture's bytes are these bytes another, and both are answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from filigrane.app.mark import watermarker
from filigrane.core.errors import FiligraneError
from filigrane.core.image import decode, read_file
from filigrane.core.parallel import GuardedPool
from filigrane.core.settings import Settings
from filigrane.core.values import Manifest, Picture, Reading, Trust
from filigrane.provenance import binding, trust
from filigrane.provenance.codes import means_tampering
from filigrane.provenance.fingerprint import Fingerprint, Look, Similarity, compare, fingerprint
from filigrane.provenance.read import read_store
from filigrane.provenance.registry import Event, IssuedMark, Registry
from filigrane.provenance.trust import TrustStore
from filigrane.watermark.base import Watermarker


class Route(StrEnum):
    """By what a picture was recognised."""

    BYTES = "bytes"
    WATERMARK = "watermark"
    LOOK = "look"


class State(StrEnum):
    """What came of looking for the manifest of a picture."""

    IDENTICAL = "identical"
    SAME_PICTURE = "same_picture"
    UNSURE = "unsure"
    COPIED_MARK = "copied_mark"
    NOT_ISSUED = "not_issued"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class Recovered:
    """The answer: ``summary`` in words, and what it rests on.

    ``manifest`` is the stored one as validated; ``holds`` says that its signature is whole and that it names this
    very mark, whatever the picture's bytes. Only where ``found`` does the manifest speak of this picture.
    """

    state: State
    summary: str
    route: Route | None = None
    mark: IssuedMark | None = None
    manifest: Manifest | None = None
    holds: bool = False
    similarity: Similarity | None = None
    reading: Reading | None = None

    @property
    def found(self) -> bool:
        """Whether a manifest that holds was found for this picture; where the look is unsure the summary says so."""
        return self.holds and self.state in (State.IDENTICAL, State.SAME_PICTURE, State.UNSURE)


class Recoverer:
    """Looks pictures up in one registry; ``marks`` reads the pixels, ``anchors`` says which signers are trusted."""

    def __init__(self, registry: Registry, marks: Watermarker, anchors: TrustStore) -> None:
        self._registry = registry
        self._marks = marks
        self._anchors = anchors

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """With the registry, the keys and the anchors of the settings."""
        registry = Registry.open(settings.home, settings.registry_url)
        return cls(registry, watermarker(settings), trust.load(settings.home))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._registry.close()

    def __call__(self, picture: Picture) -> Recovered:
        """The manifest of ``picture``, or why there is none."""
        if mark := self._registry.find_by_sha256(picture.sha256):
            return self._answer(State.IDENTICAL, Route.BYTES, mark)
        reading = self._marks.read(picture.pixels)
        look = fingerprint(picture.pixels)
        if reading.payload is None:
            return self._by_look(look, reading)
        mark = self._registry.find(reading.payload)
        if mark is None:
            return self._not_issued(reading.payload, reading)
        similarity = compare(look, mark.look)
        return self._answer(_STATES[similarity.look], Route.WATERMARK, mark, similarity=similarity, reading=reading)

    def _by_look(self, look: Fingerprint, reading: Reading) -> Recovered:
        for mark in self._registry.nearest(look.bits):
            similarity = compare(look, mark.look)
            if similarity.look is Look.SAME:
                return self._answer(State.SAME_PICTURE, Route.LOOK, mark, similarity=similarity, reading=reading)
        return Recovered(State.NOT_FOUND, _NOT_FOUND, reading=reading)

    def _not_issued(self, mark: int, reading: Reading) -> Recovered:
        reserved = any(entry.event is Event.RESERVED for entry in self._registry.audit(mark))
        summary = _RESERVED if reserved else _ELSEWHERE
        return Recovered(State.NOT_ISSUED, summary.format(mark=mark), Route.WATERMARK, reading=reading)

    def _answer(
        self,
        state: State,
        route: Route,
        mark: IssuedMark,
        *,
        similarity: Similarity | None = None,
        reading: Reading | None = None,
    ) -> Recovered:
        manifest = read_store(mark.manifest, self._anchors)
        holds = manifest is not None and _whole(manifest) and binding.names(manifest.soft_bindings, mark.id)
        summary = " ".join([_SENTENCES[state, route], _signature(manifest, holds), *_revocation(mark)])
        return Recovered(state, summary, route, mark, manifest, holds, similarity, reading)


def recover_file(path: Path, settings: Settings) -> Recovered:
    """The manifest of the picture in a file, which is read in a guarded worker.

    Raises UnreadableInput and its kin where the file can't be read.
    """
    with GuardedPool(1, settings.memory_bytes, settings.timeout_s) as pool:
        picture = pool.run(partial(_read, settings), path)
    if isinstance(picture, FiligraneError):
        raise picture
    with Recoverer.open(settings) as recoverer:
        return recoverer(picture)


def _read(settings: Settings, path: Path) -> Picture:
    return decode(read_file(path, settings.limits), origin=str(path), limits=settings.limits)


def _whole(manifest: Manifest) -> bool:
    """Whether everything in the store is as it was signed, the bytes of the picture left aside."""
    broken = (item.code for item in manifest.problems if means_tampering(item.code))
    return manifest.trust is not Trust.INVALID and all(code in _BYTES_DIFFER for code in broken)


def _signature(manifest: Manifest | None, holds: bool) -> str:
    if manifest is None or not holds:
        return "The stored manifest does not hold: it was changed in the registry, or it names another mark."
    return f"The manifest's own signature holds; it is by {manifest.signer}, {_TRUST[manifest.trust]}."


def _revocation(mark: IssuedMark) -> tuple[str, ...]:
    if mark.revoked is None:
        return ()
    return (f"The mark was revoked on {mark.revoked.at:%Y-%m-%d}: {mark.revoked.reason}.",)


_BYTES_DIFFER = frozenset(f"assertion.{kind}.mismatch" for kind in ("dataHash", "bmffHash", "boxesHash"))
_STATES = MappingProxyType(
    {Look.SAME: State.SAME_PICTURE, Look.UNSURE: State.UNSURE, Look.DIFFERENT: State.COPIED_MARK}
)
_TRUST = MappingProxyType(
    {
        Trust.TRUSTED: "whom an authority in your list vouches for",
        Trust.UNKNOWN: "whom no authority in your list vouches for",
        Trust.EXPIRED: "whose certificate has expired and who had no trusted time stamp",
        Trust.REVOKED: "whose certificate was revoked",
        Trust.INVALID: "whose signature is not valid",
    }
)
_SENTENCES = MappingProxyType(
    {
        (State.IDENTICAL, Route.BYTES): "These are the very bytes that were handed out.",
        (State.SAME_PICTURE, Route.WATERMARK): (
            "The manifest was recovered through the mark in the pixels. The bytes differ from those that were signed "
            "(the picture was saved anew), and the picture looks the same."
        ),
        (State.UNSURE, Route.WATERMARK): (
            "A manifest was recovered through the mark in the pixels. The bytes differ from those that were signed, "
            "and from the look alone it can't be told whether this is the same picture: compare the two."
        ),
        (State.COPIED_MARK, Route.WATERMARK): (
            "The mark was copied: it belongs to another picture, so its manifest says nothing about this one."
        ),
        (State.SAME_PICTURE, Route.LOOK): (
            "No mark could be read, but a registered picture looks the same. That is a weaker sign than a mark, "
            "because similar pictures exist; the bytes differ from those that were signed."
        ),
    }
)
_NOT_FOUND = "No mark could be read, and no registered picture has these bytes or looks like this one."
_RESERVED = "The mark {mark:015x} was reserved here but never issued: the file was not handed out by this registry."
_ELSEWHERE = "The mark {mark:015x} is not in this registry: it was issued elsewhere, under the same key."
