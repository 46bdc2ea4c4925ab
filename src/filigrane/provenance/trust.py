"""Whom a reader of manifests trusts: lists of anchor certificates, and the local authority.

Anchors are certificates of authorities (roots or intermediates, of signers and of time-stamp authorities alike); the
official C2PA lists are meant, and any list the user imports. A signing certificate itself is never an anchor. Nothing
here goes to the network unless `update` is called.
"""

from __future__ import annotations

import functools
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from filigrane.core.errors import FiligraneError, LimitExceeded, NotFound, UsageError
from filigrane.core.files import write_atomically
from filigrane.provenance.certificates import certificate_id
from filigrane.provenance.keys import KeyFiles

EXTENDED_KEY_USAGES = (
    "1.3.6.1.5.5.7.3.4",  # email protection
    "1.3.6.1.5.5.7.3.36",  # document signing
    "1.3.6.1.5.5.7.3.8",  # time stamping
    "1.3.6.1.5.5.7.3.9",  # OCSP signing
    "1.3.6.1.4.1.311.76.59.1.9",  # Microsoft C2PA signing
    "1.3.6.1.4.1.62558.2.1",  # C2PA claim signing
)
"""Extended key usages of certificates that sign claims, time stamps or revocation answers (C2PA 2.4, "Trust Lists")."""

MAX_LIST_BYTES = 4 * 2**20
MAX_CERTIFICATES = 2000
LOCAL = "local"
"""What the list of the local authority is called."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Anchor:
    """One trusted authority: its name, who it is, when it ends (UTC), and the list it came with."""

    id: str
    name: str
    expires_at: datetime
    source: str

    @property
    def expired(self) -> bool:
        """Whether its time is over; it then vouches only for what was time-stamped before."""
        return self.expires_at < datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class AnchorList:
    """An anchor list as validated: its PEM text (certificates only) and what it holds."""

    name: str
    pem: str = field(repr=False)
    anchors: tuple[Anchor, ...] = ()

    @property
    def expired(self) -> tuple[Anchor, ...]:
        """The anchors whose time is over."""
        return tuple(anchor for anchor in self.anchors if anchor.expired)


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The anchors in force: ``anchors`` from lists, ``local`` from the local authority, both PEM; may be empty."""

    anchors: str = field(default="", repr=False)
    local: str = field(default="", repr=False)
    usages: tuple[str, ...] = EXTENDED_KEY_USAGES

    def context(self) -> c2pa.Context:
        """The settings with which manifests are read and signed: no remote fetching, no thumbnails.

        Cached per process, because the native object does not outlive a fork.
        """
        return _context(self, os.getpid())


def load(home: Path) -> TrustStore:
    """The anchors of a home folder: ``trust/*.pem`` and the local authority ``keys/ca.pem``; it may have none.

    Raises UsageError naming the file that holds no valid anchors.
    """
    files = sorted((home / "trust").glob("*.pem"))
    authority = KeyFiles(home / "keys").authority
    local = _from_file(authority, LOCAL).pem if authority.is_file() else ""
    return TrustStore("".join(_from_file(path, path.stem).pem for path in files), local)


def lists(home: Path) -> tuple[AnchorList, ...]:
    """The anchor lists of a home folder, the local authority first."""
    authority = KeyFiles(home / "keys").authority
    own = (_from_file(authority, LOCAL),) if authority.is_file() else ()
    return own + tuple(_from_file(path, path.stem) for path in sorted((home / "trust").glob("*.pem")))


def parse(data: bytes, name: str) -> AnchorList:
    """Validate a PEM list of authorities.

    Raises UsageError where it holds no certificate, a damaged one, or one that is no authority; LimitExceeded where
    it is longer than any honest list.
    """
    if len(data) > MAX_LIST_BYTES:
        raise LimitExceeded(f"The anchor list {name} is over {MAX_LIST_BYTES} bytes; that is no list of authorities.")
    try:
        certificates = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise UsageError(f"{name} is not a list of PEM certificates ({error}); nothing was taken from it.") from error
    if len(certificates) > MAX_CERTIFICATES:
        raise LimitExceeded(f"The anchor list {name} holds {len(certificates)} certificates, over {MAX_CERTIFICATES}.")
    unique = tuple(dict.fromkeys(certificates))
    for certificate in unique:
        if not _is_authority(certificate):
            raise UsageError(
                f"{name} holds a certificate that is no authority ({_subject(certificate)}); "
                "only CA certificates can be anchors: import the one that issued it."
            )
    pem = "".join(_pem(certificate) for certificate in unique)
    anchors = (Anchor(certificate_id(c), _subject(c), c.not_valid_after_utc, name) for c in unique)
    return AnchorList(name, pem, tuple(anchors))


def add(home: Path, data: bytes, name: str) -> AnchorList:
    """Validate a PEM list and keep it as ``trust/<name>.pem``, replacing the list of that name.

    Raises what `parse` raises; the old list stays where the new one is refused.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise UsageError(f"An anchor list is named by up to 100 letters, digits, dots and dashes; {name!r} was given.")
    if name == LOCAL:
        raise UsageError(f"{name!r} is the list of this machine's own authority; give another name.")
    anchors = parse(data, name)
    write_atomically(home / "trust" / f"{name}.pem", anchors.pem.encode())
    return anchors


def update(home: Path, urls: Iterable[str], *, timeout_s: float = 30.0) -> tuple[AnchorList, ...]:
    """Fetch anchor lists (https, or http from this machine) and keep each under the last part of its address.

    All are fetched and validated before the first is replaced. Raises UsageError, NotFound or LimitExceeded.
    """
    named: dict[str, str] = {}
    for url in urls:
        if (other := named.setdefault(_list_name(url), url)) != url:
            raise UsageError(f"{other} and {url} would both be kept as {_list_name(url)}; import one by another name.")
    fetched = [(name, _fetch(url, timeout_s)) for name, url in named.items()]
    for name, data in fetched:
        parse(data, name)
    return tuple(add(home, data, name) for name, data in fetched)


@functools.lru_cache(maxsize=8)
def _context(store: TrustStore, process: int) -> c2pa.Context:
    trust = {"trust_config": "\n".join(store.usages)}
    if store.anchors:
        trust["trust_anchors"] = store.anchors
    if store.local:
        trust["user_anchors"] = store.local
    settings = {
        "trust": trust,
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    try:
        return c2pa.Context.from_dict(settings)
    except c2pa.C2paError as error:
        raise UsageError(f"The trust anchors could not be used ({error}); see filigrane trust list.") from error


def _from_file(path: Path, name: str) -> AnchorList:
    try:
        return parse(path.read_bytes(), name)
    except OSError as error:
        raise NotFound(f"The anchor list {path} could not be read: {error.strerror}.") from error
    except FiligraneError as error:
        raise UsageError(f"The anchor list {path} is not usable: {error} Replace or remove the file.") from error


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _subject(certificate: x509.Certificate) -> str:
    parts = {attribute.oid: str(attribute.value) for attribute in certificate.subject}
    wanted = (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME)
    return ", ".join(parts[oid] for oid in wanted if oid in parts) or certificate.subject.rfc4514_string()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _list_name(url: str) -> str:
    _check_url(url)
    name = re.sub(r"[^A-Za-z0-9._-]", "-", Path(urlsplit(url).path).stem).strip(".-")
    if not name:
        raise UsageError(f"The address {url} names no list; an address ending in a file name was expected.")
    return name


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{url} is no address ({error}); one that starts with https:// was expected.") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise UsageError(f"Anchor lists are fetched over https only; {url} was given.")


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only where the new address would have been accepted too."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        _check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _fetch(url: str, timeout_s: float) -> bytes:
    try:
        with urllib.request.build_opener(_CheckedRedirects).open(url, timeout=timeout_s) as answer:
            data: bytes = answer.read(MAX_LIST_BYTES + 1)
    except (OSError, HTTPException, ValueError) as error:
        raise NotFound(f"The anchor list {url} could not be fetched: {error}. The lists in use stay.") from error
    return data
