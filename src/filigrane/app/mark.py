"""Mark: a picture goes in; the same picture comes out watermarked, signed, registered, and read back.

The order is the law of `filigrane.provenance.registry`: the id is reserved first, the file is written under a temporary
name and read back, the mark is issued, and only then the file takes its own name. So a process may be killed at any
moment: nothing that left is unknown, no file is half written, and a second run finishes what the first began.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from filigrane.core.errors import FiligraneError, SigningError, UsageError, WatermarkError
from filigrane.core.files import place, write_atomically
from filigrane.core.image import decode, encode
from filigrane.core.settings import Settings
from filigrane.core.values import Pixels, sha256_hex
from filigrane.provenance import binding, keys, trust
from filigrane.provenance.carry import carry
from filigrane.provenance.fingerprint import fingerprint
from filigrane.provenance.labels import Labels
from filigrane.provenance.manifest import Declaration, SoftBinding
from filigrane.provenance.registry import IssuedMark, Registry
from filigrane.provenance.sign import KeyFile, Signed, Signer
from filigrane.watermark import base
from filigrane.watermark.base import Watermarker
from filigrane.watermark.keys import PUBLIC_KEY, Key, KeyRing, Profile, key_folder, load_ring

_PART = ".part"


@dataclass(frozen=True, slots=True)
class Draft:
    """Pixels to be marked, how to write them, and what to declare.

    ``quality`` is that of `filigrane.core.image.encode` (None: lossless); ``original`` the file that the pixels come
    from, whose metadata is carried over, or empty; ``labels`` go into the XMP; ``mark`` is the id, reserved already,
    of a mark that was fixed before (None: a fresh one). What only the mark can say is filled in: its soft binding, and
    its id where a disclosure or a TC260 label has none.
    """

    pixels: Pixels = field(repr=False)
    format: str
    declaration: Declaration
    alpha: Pixels | None = field(default=None, repr=False)
    quality: int | None = None
    original: bytes = field(default=b"", repr=False)
    labels: Labels = field(default_factory=Labels)
    mark: int | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """What marking needs beside the picture: registry, watermark with its key's name, and signer."""

    registry: Registry
    watermark: Watermarker
    key_id: str
    signer: Signer


@dataclass(frozen=True, slots=True)
class Handed:
    """A mark whose file is in place, and what the caller should be told beside it."""

    mark: IssuedMark
    warnings: tuple[str, ...] = ()


class Marker:
    """Marks drafts and registers them."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    @classmethod
    def open(cls, settings: Settings, *, profile: Profile | None = None, key_id: str = "") -> Self:
        """With the keys, anchors and registry of the settings.

        Raises NotFound where there is no signing key (the sentence says how to make one) or no such watermark key.
        """
        credential = keys.load(settings.home / "keys")
        ring = load_ring(key_folder(settings.home))
        key = writing_key(ring, profile=profile, key_id=key_id)
        return cls(
            Tools(
                registry=Registry.open(settings.home, settings.registry_url),
                watermark=base.load("spread", keys=_first(ring, key)),
                key_id=key.id,
                signer=Signer(KeyFile(credential), trust.load(settings.home), timestamp_url=settings.timestamp_url),
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the registry."""
        self._tools.registry.close()

    def mark(self, draft: Draft, target: Path) -> Handed:
        """Mark, sign, register and write ``draft`` to ``target``, which must not exist yet.

        Raises WatermarkError, SigningError or another FiligraneError; then there is no file and no issued mark, or
        (where only the last step failed) an issued mark whose file waits for `finish` under its temporary name.
        """
        if target.exists():
            raise UsageError(f"{target} exists already, and marking never overwrites; give another name or remove it.")
        number = draft.mark if draft.mark is not None else self._tools.registry.reserve()
        declaration, labels = _completed(draft, number)
        signed = self._tools.signer.sign_bytes(
            self._written(draft, number), draft.format, declaration=declaration, labels=labels
        )
        self._check(signed, draft.format, number)
        mark = self._record(draft, declaration, number, signed)
        part = _part(target, number)
        try:
            write_atomically(part, signed.data)
            self._tools.registry.issue(mark)
        except OSError as error:
            raise UsageError(
                f"{target} can't be written ({error.strerror}); check the folder and its rights."
            ) from error
        except FiligraneError:
            part.unlink(missing_ok=True)
            raise
        _place(part, target)
        return Handed(mark, signed.warnings)

    def withdraw(self, number: int, target: Path, reason: str) -> None:
        """Take back what `mark` did or began with the mark ``number``: no file stays, and an issued mark is revoked."""
        for path in (target, _part(target, number)):
            path.unlink(missing_ok=True)
        if self._tools.registry.find(number) is not None:
            self._tools.registry.revoke(number, reason)

    def finish(self, target: Path, original_sha256: str) -> IssuedMark | None:
        """What an earlier run made of the same original at ``target``: its mark, or None where it made nothing.

        A file that was issued but not yet given its name gets it now; one that was not issued is removed.
        """
        for part in target.parent.glob(f".{glob.escape(target.name)}.*{_PART}"):
            if self._issued(part, original_sha256) is not None and not target.exists():
                _place(part, target)
            else:
                part.unlink()
        return self._issued(target, original_sha256) if target.exists() else None

    def _issued(self, path: Path, original_sha256: str) -> IssuedMark | None:
        mark = self._tools.registry.find_by_sha256(sha256_hex(path.read_bytes()))
        return mark if mark is not None and mark.original_sha256 == original_sha256 else None

    def _written(self, draft: Draft, number: int) -> bytes:
        """The marked picture as a file with its metadata, not yet signed."""
        marked = self._tools.watermark.embed(draft.pixels, number)
        data = encode(marked, draft.format, alpha=draft.alpha, quality=draft.quality)
        return carry(draft.original, data, draft.format) if draft.original else data

    def _check(self, signed: Signed, format: str, number: int) -> None:
        """Read the finished file; the signer has read the manifest already, but not whose mark it names."""
        found = self._tools.watermark.read(decode(signed.data).pixels).payload
        if found != number:
            other = f"it reads as {found:015x}, a mark it had before" if found is not None else "it can't be read back"
            raise WatermarkError(f"The mark {number:015x} did not survive writing as {format}: {other}.")
        if not binding.names(signed.reading.soft_bindings, number):
            raise SigningError(f"The manifest does not name the mark {number:015x}; nothing was written.")

    def _record(self, draft: Draft, declaration: Declaration, number: int, signed: Signed) -> IssuedMark:
        told = declaration.disclosure
        return IssuedMark(
            id=number,
            alg=binding.ALGORITHM,
            key_id=self._tools.key_id,
            manifest_id=signed.reading.label,
            manifest=signed.manifest,
            sha256=sha256_hex(signed.data),
            original_sha256=sha256_hex(draft.original) if draft.original else "",
            look=fingerprint(draft.pixels),
            format=draft.format,
            created_at=declaration.at,
            title=declaration.title,
            provider=told.provider if told else "",
            system=told.system.name if told else "",
            system_version=told.system.version if told else "",
        )


def _completed(draft: Draft, number: int) -> tuple[Declaration, Labels]:
    """Declaration and labels with what only the mark can say."""
    declaration, labels, name = draft.declaration, draft.labels, f"{number:015x}"
    bound = SoftBinding(binding.ALGORITHM, binding.to_value(number))
    declaration = replace(declaration, soft_bindings=(*declaration.soft_bindings, bound))
    if declaration.disclosure is not None and not declaration.disclosure.id:
        declaration = replace(declaration, disclosure=replace(declaration.disclosure, id=name))
    if labels.tc260 is not None and not labels.tc260.produce_id:
        labels = replace(labels, tc260=replace(labels.tc260, produce_id=name))
    return declaration, labels


def _part(target: Path, number: int) -> Path:
    """The name of a finished file until its mark is issued."""
    return target.with_name(f".{target.name}.{number:015x}{_PART}")


def _place(part: Path, target: Path) -> None:
    """Give a finished file its name, never in place of another file."""
    try:
        place(part, target)
    except FileExistsError as error:
        raise UsageError(f"{target} came to exist meanwhile; the marked picture waits in {part}.") from error
    except OSError as error:
        raise UsageError(f"{target} can't be put in place ({error.strerror}); it waits in {part}.") from error


def watermarker(settings: Settings) -> Watermarker:
    """Our pixel mark, reading with every key there is."""
    return base.load("spread", keys=load_ring(key_folder(settings.home)))


def writing_key(ring: KeyRing, *, profile: Profile | None = None, key_id: str = "") -> Key:
    """The key of ``ring`` that marks are written with; raises NotFound where it does not exist."""
    if key_id:
        return ring.find(key_id)
    if profile == "public":
        return PUBLIC_KEY
    if profile == "private" and ring.embedding.profile != "private":
        raise UsageError(
            "There is no private watermark key yet; filigrane keys watermark create makes one, or use --profile public."
        )
    return ring.embedding


def _first(ring: KeyRing, key: Key) -> KeyRing:
    """The ring with ``key`` in front, where the key to write with stands."""
    return KeyRing((key, *(other for other in ring.keys if other.id != key.id)))
