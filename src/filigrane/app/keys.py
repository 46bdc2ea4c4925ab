"""Keys: make, renew and list the local authority and the key that signs claims."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from filigrane.core.errors import FiligraneError
from filigrane.core.settings import Settings
from filigrane.provenance import certificates, keys, trust
from filigrane.provenance.certificates import Algorithm, Holder
from filigrane.provenance.keys import KeyFiles


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """One key: what it is for, its id, whom it names, until when (UTC), where it lies, and what is wrong with it."""

    role: str
    id: str
    holder: str
    algorithm: str
    expires_at: datetime
    path: Path
    problem: str = ""


@dataclass(frozen=True, slots=True)
class KeysMade:
    """The keys there are now, and the anchor list that keeps the former authority trusted (empty: there was none)."""

    keys: tuple[KeyInfo, ...]
    former: str = ""


def key_folder(settings: Settings) -> Path:
    """The folder of the keys."""
    return settings.home / "keys"


def init_keys(settings: Settings, holder: Holder, *, algorithm: Algorithm, force: bool = False) -> KeysMade:
    """Make a local authority and a signing key; with ``force`` in place of those there are.

    The certificate of a former authority is kept as an anchor, so that pictures signed before stay trusted. Raises
    UsageError where keys exist.
    """
    folder = key_folder(settings)
    former = _former(KeyFiles(folder).authority) if force else b""
    keys.create(folder, holder, algorithm=algorithm, replace=force)
    if not former:
        return KeysMade(list_keys(settings))
    name = f"former-{certificates.certificate_id(x509.load_pem_x509_certificate(former))}"
    trust.add(settings.home, former, name)
    return KeysMade(list_keys(settings), name)


def renew_key(settings: Settings, algorithm: Algorithm | None = None) -> KeysMade:
    """Issue a new signing key from the authority that is there; pictures signed before stay trusted where stamped."""
    keys.renew(key_folder(settings), algorithm=algorithm)
    return KeysMade(list_keys(settings))


def list_keys(settings: Settings) -> tuple[KeyInfo, ...]:
    """The authority and the signing key of the home folder, with what is wrong with each."""
    files = KeyFiles(key_folder(settings))
    pairs = (("authority", files.authority, files.authority_key), ("signing", files.leaf, files.leaf_key))
    return tuple(_describe(role, certificate, key) for role, certificate, key in pairs if certificate.is_file())


def _former(path: Path) -> bytes:
    with contextlib.suppress(OSError, ValueError):
        data = path.read_bytes()
        x509.load_pem_x509_certificate(data)
        return data
    return b""


def _describe(role: str, path: Path, key: Path) -> KeyInfo:
    certificate = keys.read_certificates(path)[0]
    problem = ""
    try:
        keys.read_private(key)
    except FiligraneError as error:
        problem = str(error)
    return KeyInfo(
        role,
        certificates.certificate_id(certificate),
        certificates.organisation(certificate),
        certificates.key_kind(certificate),
        certificate.not_valid_after_utc,
        key,
        problem or certificates.expiry_problem(certificate),
    )
