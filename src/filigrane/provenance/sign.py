"""Signing: labels into the metadata first, the manifest last, and everything read back before it is handed over.

A manifest that the file already has becomes the parent ingredient of the new one, because signing over it would erase
it. What can't be read back intact and trusted is never handed over.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

import c2pa
from cryptography import x509

from filigrane.core.errors import SigningError, UnsupportedFormat, UsageError
from filigrane.core.values import Integrity, Manifest, Trust
from filigrane.provenance import labels as metadata
from filigrane.provenance.certificates import Algorithm, Credential
from filigrane.provenance.labels import Labels
from filigrane.provenance.manifest import Declaration, Source, definition, ingredient_id
from filigrane.provenance.read import MEDIA_TYPES_READ, read_manifest
from filigrane.provenance.trust import TrustStore


class SigningKey(Protocol):
    """Who signs: a certificate chain (PEM, leaf first), and the native signer that uses the private key."""

    @property
    def chain_pem(self) -> bytes:
        """The certificates, leaf first, without the root."""
        ...

    def native(self, timestamp_url: str) -> c2pa.Signer:
        """A signer of the C2PA library that asks ``timestamp_url`` (empty: nobody) for a time stamp."""
        ...


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key that lies in a file."""

    credential: Credential

    @property
    def chain_pem(self) -> bytes:
        """The certificates, leaf first, without the root."""
        return self.credential.chain_pem

    def native(self, timestamp_url: str) -> c2pa.Signer:
        """A signer that holds the private key."""
        algorithm = self.credential.algorithm.value.encode()
        url = timestamp_url.encode() or None
        return c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, self.chain_pem, self.credential.key_pem, url))


@dataclass(frozen=True, slots=True)
class ExternalKey:
    """A key that never leaves its device: ``sign`` gives the raw signature of the algorithm for some bytes.

    That of ES256 is r and s, 32 bytes each; that of PS256 has a salt of 32 bytes.
    """

    algorithm: Algorithm
    chain_pem: bytes
    sign: Callable[[bytes], bytes] = field(repr=False)

    def native(self, timestamp_url: str) -> c2pa.Signer:
        """A signer that asks the device."""
        algorithm = c2pa.C2paSigningAlg[self.algorithm.name]
        return c2pa.Signer.from_callback(self.sign, algorithm, self.chain_pem.decode("ascii"), timestamp_url or None)


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed file: its bytes, the manifest store alone, what was read back, and what the caller should be told."""

    data: bytes = field(repr=False)
    manifest: bytes = field(repr=False)
    reading: Manifest
    warnings: tuple[str, ...] = ()


class Signer:
    """Signs pictures with one key; may be used by several threads, but not across a fork."""

    def __init__(
        self, key: SigningKey, trust: TrustStore, *, timestamp_url: str = "", require_timestamp: bool = False
    ) -> None:
        """``trust`` must lead from the key's certificate to an anchor; ``timestamp_url`` is an RFC 3161 authority.

        Without ``require_timestamp`` a time stamp that can't be had is left out, with a warning.
        """
        if require_timestamp and not timestamp_url:
            raise UsageError("A time stamp is required but no authority is named; give --timestamp-url.")
        if timestamp_url and not (timestamp_url.startswith(("http://", "https://")) and timestamp_url.isascii()):
            raise UsageError(f"A time-stamp authority is reached over http or https; {timestamp_url!r} was given.")
        self._key = key
        self._trust = trust
        self._timestamp_url = timestamp_url
        self._require_timestamp = require_timestamp

    def sign_bytes(
        self, data: bytes, format: str, *, declaration: Declaration, labels: Labels | None = None, sidecar: bool = False
    ) -> Signed:
        """Sign a file of ``format`` (the type found from its bytes); with ``sidecar`` the manifest stays outside it.

        A manifest inside the file moves into the sidecar as the parent's. Raises UnsupportedFormat, UsageError for
        what can't be declared, SigningError where it does not read back.
        """
        if format not in MEDIA_TYPES_READ:
            able = ", ".join(name.upper() for name in MEDIA_TYPES_READ)
            raise UnsupportedFormat(f"A {format.upper()} file can't be signed; convert it to one of {able}.")
        self._check_validity()
        declaration = self._with_parent(declaration, data, format)
        definition(declaration)
        labelled = metadata.write(data, format, labels) if labels is not None else data
        warnings: list[str] = []
        signed, store = self._with_fallback(labelled, format, declaration, sidecar, warnings)
        reading = self._verified(signed, format, store if sidecar else None)
        warnings += self._time_warnings(reading, bool(warnings))
        warnings += _ingredient_warnings(reading)
        return Signed(signed, store, reading, tuple(warnings))

    def _check_validity(self) -> None:
        leaf = x509.load_pem_x509_certificates(self._key.chain_pem)[0]
        now = datetime.now(UTC)
        if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
            raise SigningError(
                f"The signing certificate is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to "
                f"{leaf.not_valid_after_utc:%Y-%m-%d}, not now; run filigrane keys renew."
            )

    def _with_parent(self, declaration: Declaration, data: bytes, format: str) -> Declaration:
        if declaration.parent is not None or read_manifest(data, format, self._trust) is None:
            return declaration
        parent = Source(data, format, declaration.title)
        return replace(declaration, sources=(*declaration.sources, parent))

    def _with_fallback(
        self, data: bytes, format: str, declaration: Declaration, sidecar: bool, warnings: list[str]
    ) -> tuple[bytes, bytes]:
        if not self._timestamp_url:
            return self._signed(data, format, declaration, sidecar, "")
        try:
            return self._signed(data, format, declaration, sidecar, self._timestamp_url)
        except SigningError as error:
            # Without the authority it either works, which tells that the authority failed, or fails for its own reason.
            signed = self._signed(data, format, declaration, sidecar, "")
            told = f"The time-stamp authority {self._timestamp_url} gave no time stamp"
            if self._require_timestamp:
                raise SigningError(f"{told}, and one is required; nothing was written.") from error
            warnings.append(f"{told}; the file was signed without, so the time of signing rests on our word.")
            return signed

    def _signed(
        self, data: bytes, format: str, declaration: Declaration, sidecar: bool, timestamp_url: str
    ) -> tuple[bytes, bytes]:
        target = io.BytesIO()
        try:
            builder = c2pa.Builder(definition(declaration), context=self._trust.context())
            for position, source in enumerate(declaration.sources):
                _add_ingredient(builder, source, ingredient_id(position))
            if sidecar:
                builder.set_no_embed()
            with self._key.native(timestamp_url) as signer:
                store = builder.sign(signer, MEDIA_TYPES_READ[format], io.BytesIO(data), target)
        except c2pa.C2paError as error:
            raise SigningError(f"The {format.upper()} file could not be signed: {error}.") from error
        return target.getvalue(), bytes(store)

    def _verified(self, data: bytes, format: str, sidecar: bytes | None) -> Manifest:
        reading = read_manifest(data, format, self._trust, sidecar)
        if reading is None or reading.integrity is not Integrity.INTACT:
            told = "; ".join(item.explanation for item in reading.problems) if reading is not None else "none was found"
            raise SigningError(f"The manifest does not read back intact ({told}); nothing was written.")
        if reading.trust is not Trust.TRUSTED:
            raise SigningError(
                f"The manifest reads back with a signer that is {reading.trust.value}; nothing was written. "
                "Import the certificate of the authority that issued the signing key with filigrane trust import."
            )
        return reading

    def _time_warnings(self, reading: Manifest, fallen_back: bool) -> tuple[str, ...]:
        if not self._timestamp_url or fallen_back or reading.time_stamped:
            return ()
        told = f"The time stamp of {self._timestamp_url} is by an authority that is not trusted here"
        if self._require_timestamp:
            raise SigningError(f"{told}, and one is required; import its certificate with filigrane trust import.")
        return (f"{told}; import its certificate with filigrane trust import.",)


def _ingredient_warnings(reading: Manifest) -> list[str]:
    broken = [item for item in reading.ingredients if item.problems]
    return [
        f"The ingredient {item.title or 'without title'} was broken before it was added: {item.problems[0].explanation}"
        for item in broken
    ]


def _add_ingredient(builder: c2pa.Builder, source: Source, label: str) -> None:
    described = {"title": source.title, "relationship": source.relationship.value, "label": label}
    media_type = MEDIA_TYPES_READ.get(source.format)
    if media_type is None:
        raise UnsupportedFormat(f"A {source.format.upper()} file can't be recorded as an ingredient; convert it first.")
    builder.add_ingredient(json.dumps(described), media_type, io.BytesIO(source.data))
