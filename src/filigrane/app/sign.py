"""Sign: say of a picture how it came to be, in its metadata and in a signed manifest."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from filigrane import __version__
from filigrane.app.keys import key_folder
from filigrane.core.errors import SigningError, UsageError
from filigrane.core.files import write_atomically
from filigrane.core.formats import EXTENSIONS, sniff
from filigrane.core.image import read_file
from filigrane.core.settings import Settings
from filigrane.core.text import printable
from filigrane.core.values import Manifest
from filigrane.provenance import keys, trust
from filigrane.provenance.certificates import organisation
from filigrane.provenance.labels import Labels, Tc260
from filigrane.provenance.manifest import Declaration, Disclosure, Edit, Software
from filigrane.provenance.sign import KeyFile, Signer
from filigrane.provenance.source_types import Generative, SourceType, parse

CLAIMANT = Software("Filigrane", __version__)
"""The program that writes our claims."""


@dataclass(frozen=True, slots=True)
class SignRequest:
    """What to sign, where to, and what to say; empty texts say nothing."""

    source: Path
    target: Path
    source_type: str
    title: str = ""
    system: Software | None = None
    prompt: str = ""
    prompt_writer: str = ""
    provider: str = ""
    tc260: bool = False
    sidecar: bool = False
    require_timestamp: bool = False
    force: bool = False
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class SignResult:
    """What was written: the file, its sidecar where one was asked for, the manifest as read back, and warnings."""

    target: Path
    sidecar: Path | None
    manifest: Manifest
    id: str
    warnings: tuple[str, ...] = ()


def sign_file(request: SignRequest, settings: Settings) -> SignResult:
    """Label and sign one file, and write it once it reads back intact and trusted.

    Raises UsageError for a request that can't be met, UnreadableInput for the file, SigningError where signing fails.
    """
    if request.target.is_dir():
        raise UsageError(f"{request.target} is a folder; name a file with -o.")
    sidecar = request.target.with_suffix(".c2pa") if request.sidecar else None
    _check_targets(request, sidecar)
    data = read_file(request.source, settings.limits)
    format = sniff(data)
    _check_ending(request.target, format)
    signer = open_signer(settings, require_timestamp=request.require_timestamp)
    kind = source_type(request.source_type)
    identifier = str(uuid.uuid4())
    provider = request.provider or organisation(keys.load(key_folder(settings)).leaf)
    signed = signer.sign_bytes(
        data,
        format,
        declaration=_declaration(request, kind, provider, identifier),
        labels=_labels(request, kind, provider, identifier),
        sidecar=request.sidecar,
    )
    _write(request.target, signed.data, replace=request.force)
    if sidecar is not None:
        _write(sidecar, signed.manifest, replace=request.force)
    return SignResult(request.target, sidecar, signed.reading, identifier, signed.warnings)


def open_signer(settings: Settings, *, require_timestamp: bool = False) -> Signer:
    """A signer with the key of the home folder; NotFound where there is none."""
    credential = keys.load(key_folder(settings))
    return Signer(
        KeyFile(credential),
        trust.load(settings.home),
        timestamp_url=settings.timestamp_url,
        require_timestamp=require_timestamp,
    )


def source_type(text: str) -> SourceType:
    """The digital source type that ``text`` names; UsageError listing all of them for an unknown one."""
    kind = parse(text)
    if kind is None:
        known = ", ".join(item.value for item in SourceType)
        raise UsageError(f"The digital source type {text!r} is not known; one of these was expected: {known}.")
    return kind


def _declaration(request: SignRequest, kind: SourceType, provider: str, identifier: str) -> Declaration:
    agent = request.system if request.system is not None else CLAIMANT
    generated = kind.generative is Generative.YES
    return Declaration(
        agent=agent,
        claimant=CLAIMANT,
        at=request.at,
        source_type=kind,
        title=request.title or printable(request.target.name),
        edit=Edit.METADATA,
        disclosure=Disclosure(provider, agent, request.at, identifier) if generated else None,
    )


def _labels(request: SignRequest, kind: SourceType, provider: str, identifier: str) -> Labels:
    system = request.system if request.system is not None else Software("")
    return Labels(
        source_type=kind,
        system=system.name,
        system_version=system.version,
        prompt=request.prompt,
        prompt_writer=request.prompt_writer,
        tc260=Tc260(provider, identifier, label=1) if request.tc260 else None,
    )


def _check_targets(request: SignRequest, sidecar: Path | None) -> None:
    for path in (request.target, sidecar):
        if path is not None and path.exists() and not request.force:
            raise UsageError(f"{path} exists already; give another name with -o, or --force to put the new file there.")
    if sidecar is not None and sidecar == request.target:
        raise UsageError(f"{request.target} would be picture and sidecar at once; name the picture by its own ending.")


def _check_ending(target: Path, format: str) -> None:
    if format in EXTENSIONS and target.suffix.lower() not in EXTENSIONS[format]:
        wanted = ", ".join(EXTENSIONS[format])
        raise UsageError(f"Signing keeps the format, which is {format.upper()}: name {target.name} to end in {wanted}.")


def _write(path: Path, data: bytes, *, replace: bool) -> None:
    try:
        write_atomically(path, data, replace=replace)
    except OSError as error:
        raise SigningError(f"{path} could not be written: {error.strerror}.") from error
