"""A local certificate authority and the leaf that signs claims, by the C2PA certificate profile.

The authority vouches for the leaf alone; its certificate is what readers import to trust our signatures. The leaf
carries what the C2PA specification 2.4, section "X.509 Certificates", asks for: version 3, no CA, digitalSignature,
the extended key usages claim signing and email protection, key identifiers, a subject with C, O and CN, and a short
life. Private keys never leave their files, which only their owner can read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from filigrane.core.errors import SigningError, UsageError

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

CLAIM_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
"""The extended key usage c2pa-kp-claimSigning."""

AUTHORITY_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=365)
CLOCK_SKEW = timedelta(minutes=5)
RSA_BITS = 3072


class Algorithm(StrEnum):
    """The signature algorithms of the C2PA specification that keys are made for."""

    ES256 = "es256"
    ED25519 = "ed25519"
    PS256 = "ps256"


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose name certificates carry: an organisation, and the two-letter code of its country (ZZ: not told)."""

    organisation: str
    country: str = "ZZ"


@dataclass(frozen=True, slots=True)
class Credential:
    """What signing needs: algorithm, certificate chain (leaf first, PEM) and private key (PKCS #8 PEM)."""

    algorithm: Algorithm
    chain_pem: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        return f"Credential({self.algorithm.value}, {certificate_id(self.leaf)})"

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate of the signing key."""
        return x509.load_pem_x509_certificates(self.chain_pem)[0]


def certificate_id(certificate: x509.Certificate) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a certificate: how keys are named here."""
    return certificate.fingerprint(hashes.SHA256()).hex()[:16]


def organisation(certificate: x509.Certificate) -> str:
    """The organisation that a certificate names, or nothing."""
    named = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(named[0].value) if named else ""


def key_kind(certificate: x509.Certificate) -> str:
    """The kind of key that a certificate is for, in words."""
    key = certificate.public_key()
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else "another kind"


def expiry_problem(certificate: x509.Certificate, *, soon: timedelta = timedelta(days=30)) -> str:
    """A sentence where a certificate has ended or will within ``soon``; else nothing."""
    end = certificate.not_valid_after_utc
    if end - soon > datetime.now(UTC):
        return ""
    verb = "expired" if end < datetime.now(UTC) else "expires"
    return f"The certificate {verb} on {end:%Y-%m-%d}; run filigrane keys renew."


def issue(
    holder: Holder,
    issuer: tuple[x509.Certificate, PrivateKey],
    *,
    algorithm: Algorithm = Algorithm.ES256,
    starts_at: datetime | None = None,
    life: timedelta = LEAF_LIFE,
) -> Credential:
    """A new signing key with a leaf certificate by the C2PA profile, issued by ``issuer`` (certificate and its key).

    Raises UsageError where ``life`` is over the 366 days of the profile.
    """
    if not timedelta(0) < life <= timedelta(days=366):
        raise UsageError(f"A signing certificate may last up to 366 days; {life.days} were asked for.")
    key = _new_key(algorithm)
    authority, authority_key = issuer
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    usages = x509.ExtendedKeyUsage([CLAIM_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION])
    builder = (
        _builder(holder, "claim signer", starts_at or datetime.now(UTC) - CLOCK_SKEW, life)
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signing=True), critical=True)
        .add_extension(usages, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    leaf = builder.sign(authority_key, _digest(authority_key))
    return Credential(algorithm, public_pem(leaf), private_pem(key))


def make_authority(key: ec.EllipticCurvePrivateKey, holder: Holder) -> x509.Certificate:
    """A self-signed certificate for an authority that issues signing leaves and nothing else; ten years long."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _builder(holder, "local authority", datetime.now(UTC) - CLOCK_SKEW, AUTHORITY_LIFE)
        .issuer_name(_name(holder, "local authority"))
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signing=False), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    return builder.sign(key, hashes.SHA256())


def _builder(holder: Holder, role: str, starts_at: datetime, life: timedelta) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(holder, role))
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts_at)
        .not_valid_after(starts_at + life)
    )


def _name(holder: Holder, role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, holder.country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, holder.organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Filigrane {role}"),
        ]
    )


def _usage(*, signing: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signing,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signing,
        crl_sign=not signing,
        encipher_only=False,
        decipher_only=False,
    )


def check_holder(holder: Holder) -> None:
    """Raise UsageError for a name or country that no certificate can carry."""
    name = holder.organisation
    if not (1 <= len(name.strip()) <= 64 and name.isprintable()):
        raise UsageError(f"The name of a key holder has 1 to 64 characters that can be printed; {name!r} was given.")
    if not re.fullmatch("[A-Z]{2}", holder.country):
        raise UsageError(f"A country is given by two capital letters such as FR; {holder.country!r} was given.")


def _new_key(algorithm: Algorithm) -> PrivateKey:
    if algorithm is Algorithm.ES256:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm is Algorithm.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def algorithm_of(key: PrivateKey) -> Algorithm:
    """The algorithm that a key signs claims with; SigningError for a key of another kind."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return Algorithm.ED25519
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return Algorithm.PS256
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return Algorithm.ES256
    raise SigningError("The signing key is of another kind than P-256, Ed25519 or RSA of 2048 bits and more.")


def _digest(key: PrivateKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def private_pem(key: PrivateKey) -> bytes:
    """A private key as unencrypted PKCS #8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(certificate: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)
