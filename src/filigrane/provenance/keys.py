"""The key files of a home folder: a local certificate authority and the key that signs claims.

Private keys are written so that only their owner can read them, and refused where others can.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from filigrane.core.errors import NotFound, SigningError, UsageError
from filigrane.core.files import write_atomically
from filigrane.provenance.certificates import (
    LEAF_LIFE,
    Algorithm,
    Credential,
    Holder,
    PrivateKey,
    algorithm_of,
    check_holder,
    issue,
    make_authority,
    organisation,
    private_pem,
    public_pem,
)


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where the keys of one home folder lie."""

    folder: Path

    @property
    def authority_key(self) -> Path:
        """Private key of the local certificate authority (PEM)."""
        return self.folder / "ca.key"

    @property
    def authority(self) -> Path:
        """Certificate of the local certificate authority (PEM)."""
        return self.folder / "ca.pem"

    @property
    def leaf_key(self) -> Path:
        """Private key that signs claims (PEM)."""
        return self.folder / "sign.key"

    @property
    def leaf(self) -> Path:
        """Certificate that goes with the signing key, followed by any intermediates (PEM)."""
        return self.folder / "sign.pem"

    @property
    def all(self) -> tuple[Path, ...]:
        """The four files."""
        return self.authority_key, self.authority, self.leaf_key, self.leaf


def create(
    folder: Path, holder: Holder, *, algorithm: Algorithm = Algorithm.ES256, replace: bool = False
) -> Credential:
    """Make a certificate authority and a signing leaf in ``folder`` and give back the leaf's credential.

    Raises UsageError where keys exist already (unless ``replace``) or the holder's name is not usable.
    """
    files = KeyFiles(folder)
    present = [path for path in files.all if path.exists()]
    if present and not replace:
        raise UsageError(
            f"{present[0]} exists already; pictures signed with it rely on it. "
            "Use --force to put new keys in its place, or renew to keep the authority."
        )
    check_holder(holder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    authority = make_authority(key, holder)
    # Of two processes that start at once, only one gets this file, so that keys of two never mix.
    _write(files.authority_key, private_pem(key), private=True, replace=replace)
    _write(files.authority, public_pem(authority), private=False)
    return _issue_to_disk(files, holder, algorithm, (authority, key))


def renew(folder: Path, *, algorithm: Algorithm | None = None) -> Credential:
    """Issue a new signing key and leaf from the existing authority, for the same holder.

    Raises NotFound where there is no authority in ``folder``, SigningError where its key is not safe or not usable.
    """
    files = KeyFiles(folder)
    key = read_private(files.authority_key)
    authority = read_certificates(files.authority)[0]
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SigningError(f"{files.authority_key} holds no elliptic-curve key; run filigrane keys init --force.")
    if authority.not_valid_after_utc < datetime.now(UTC) + LEAF_LIFE:
        raise SigningError(
            f"The authority in {files.authority} ends on {authority.not_valid_after_utc:%Y-%m-%d}, before a new leaf "
            "would; run filigrane keys init --force to make a new one."
        )
    country = authority.subject.get_attributes_for_oid(NameOID.COUNTRY_NAME)
    holder = Holder(organisation(authority), str(country[0].value) if country else "ZZ")
    return _issue_to_disk(files, holder, algorithm or load(folder).algorithm, (authority, key))


def load(folder: Path) -> Credential:
    """The signing credential of ``folder``.

    Raises NotFound where there is none, SigningError where the key file can be read by others or does not fit.
    """
    files = KeyFiles(folder)
    key = read_private(files.leaf_key)
    chain = read_certificates(files.leaf)
    if _public_bytes(key) != _public_bytes(chain[0]):
        raise SigningError(
            f"The certificate in {files.leaf} belongs to another key than {files.leaf_key}; "
            "put the matching pair there or run filigrane keys init --force."
        )
    return Credential(algorithm_of(key), b"".join(public_pem(item) for item in chain), private_pem(key))


def _issue_to_disk(
    files: KeyFiles, holder: Holder, algorithm: Algorithm, issuer: tuple[x509.Certificate, PrivateKey]
) -> Credential:
    credential = issue(holder, issuer, algorithm=algorithm)
    _write(files.leaf_key, credential.key_pem, private=True)
    _write(files.leaf, credential.chain_pem, private=False)
    return credential


def _write(path: Path, data: bytes, *, private: bool, replace: bool = True) -> None:
    try:
        write_atomically(path, data, mode=0o600 if private else 0o644, replace=replace)
    except FileExistsError as error:
        raise UsageError(
            f"{path} has just been made by another process; look again with filigrane keys list."
        ) from error
    except OSError as error:
        raise SigningError(f"{path} could not be written: {error.strerror}.") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"There is no {path}; run filigrane keys init to make signing keys.") from error
    except OSError as error:
        raise SigningError(f"{path} could not be read: {error.strerror}.") from error


def read_private(path: Path) -> PrivateKey:
    """The private key in a PEM file that only its owner can read; NotFound, or SigningError saying what is wrong."""
    data = _read(path)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise SigningError(
            f"The private key {path} can be read or changed by others (mode {mode:04o}); "
            f"run chmod 600 {path}, and make new keys if someone may have copied it."
        )
    with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
        key = serialization.load_pem_private_key(data, password=None)
        if isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey):
            return key
    raise SigningError(f"{path} holds no unencrypted PEM key of a kind that signs claims (P-256, Ed25519, RSA).")


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates in a PEM file; NotFound or SigningError."""
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except ValueError as error:
        raise SigningError(f"{path} holds no PEM certificate; run filigrane keys init --force.") from error


def _public_bytes(holder: PrivateKey | x509.Certificate) -> bytes:
    return holder.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
