"""Signed reports: a verdict that can be shown to others, checked without us, and made again from the same picture.

A report is a JSON Web Signature (RFC 7515, flattened JSON) by the key that signs manifests, with the certificate
chain in its header (``x5c``); any JOSE library checks it. The member ``report`` repeats the payload for human eyes.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from filigrane import __version__
from filigrane.app.keys import key_folder
from filigrane.app.records import Record, to_record
from filigrane.app.runtime import Runtime
from filigrane.app.scan import Scanned
from filigrane.app.serving.results import coarse
from filigrane.core.errors import FiligraneError, NotFound, UsageError
from filigrane.core.settings import Settings
from filigrane.core.values import Json
from filigrane.provenance import certificates, keys
from filigrane.provenance.trust import TrustStore

MAX_REPORT_BYTES = 16 * 2**20
_LONGEST_CHAIN = 8
_COORDINATE = 32
_ROUNDING, _STEP = 0.02, 0.5


class NoSigningKey(FiligraneError):
    """This installation has no key to sign reports with."""

    http_status = 501


@dataclass(frozen=True, slots=True)
class Checked:
    """A report whose signature holds: what it says, who signed it (organisation), and by which certificate (its id).

    ``chain`` is that certificate and those of its authorities that came along.
    """

    report: Mapping[str, Json]
    signer: str
    certificate: str
    chain: tuple[x509.Certificate, ...] = field(repr=False)


def replay(scanned: Scanned, runtime: Runtime) -> dict[str, Json]:
    """All that it takes to come to the same verdict again, as it is in force when the picture is looked at."""
    policy = runtime.policy
    return {
        "filigrane": __version__,
        "sources": list(runtime.source_names),
        "policy": {"version": policy.version, "hash": policy.hash, "cap": policy.cap},
        "model": scanned.verdict.model_hash or None if scanned.verdict is not None else None,
        "weights": dict(policy.weights),
        "thresholds": dict(policy.thresholds),
        "prior": runtime.settings.prior,
    }


def compose(id: str, created_at: datetime, record: Record) -> dict[str, Json]:
    """What a report says: picture, verdict, evidence, and what the record holds of how to replay it."""
    return {
        "id": id,
        "created_at": created_at.isoformat(),
        "picture": {name: record.get(name) for name in ("sha256", "format", "width_px", "height_px")},
        "verdict": record["verdict"],
        "error": record["error"],
        "evidence": record["evidence"],
        "notes": record["notes"],
        "coarse": bool(record.get("coarse")),
        "replay": record.get("replay"),
        "limits": LIMITS,
    }


LIMITS = (
    "A verdict speaks of signs found in this one file. That none was found proves no human origin: marks can be "
    "removed, and metadata can be written by anyone. Don't accuse a person on a score alone."
)


def sign(report: Mapping[str, Json], settings: Settings) -> dict[str, Json]:
    """``report`` as a flattened JSON Web Signature; raises NoSigningKey where the home folder has no key."""
    try:
        credential = keys.load(key_folder(settings))
    except NotFound as error:
        raise NoSigningKey(
            "Nothing can be signed here yet: the operator makes a key with filigrane keys init."
        ) from error
    key = serialization.load_pem_private_key(credential.key_pem, None)
    chain = x509.load_pem_x509_certificates(credential.chain_pem)
    ders = [base64.b64encode(item.public_bytes(serialization.Encoding.DER)).decode() for item in chain]
    header = {"alg": _algorithm(key.public_key()), "typ": "filigrane-report+jws", "x5c": ders}
    protected = _b64(json.dumps(header, sort_keys=True).encode())
    payload = _b64(json.dumps(report, sort_keys=True, ensure_ascii=False, allow_nan=False).encode())
    message = f"{protected}.{payload}".encode()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        raw = r.to_bytes(_COORDINATE, "big") + s.to_bytes(_COORDINATE, "big")
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        raw = key.sign(message)
    elif isinstance(key, rsa.RSAPrivateKey):
        raw = key.sign(message, _PSS, hashes.SHA256())
    else:
        raise NoSigningKey("Reports are signed with P-256, Ed25519 or RSA keys; make one with filigrane keys init.")
    return {"payload": payload, "protected": protected, "signature": _b64(raw), "report": dict(report)}


def check(data: bytes) -> Checked:
    """The report in ``data``, once its signature holds and its readable copy says the same.

    Raises UsageError saying what is wrong. The signer is who the certificate names; ask `authority` who vouches
    for that.
    """
    if len(data) > MAX_REPORT_BYTES:
        raise UsageError(f"The report has {len(data)} bytes, over the limit of {MAX_REPORT_BYTES}.")
    try:
        signed = json.loads(data)
        header = json.loads(_unb64(signed["protected"]))
        ders = [base64.b64decode(text, validate=True) for text in header["x5c"][:_LONGEST_CHAIN]]
        chain = tuple(map(x509.load_der_x509_certificate, ders))
        leaf = chain[0]
        message = f"{signed['protected']}.{signed['payload']}".encode()
        key, raw = leaf.public_key(), _unb64(signed["signature"])
        if header["alg"] != _algorithm(key):
            raise ValueError(f"its algorithm {header['alg']!r} does not fit its certificate")
        _verify(key, raw, message)
        report = json.loads(_unb64(signed["payload"]))
        if signed.get("report", report) != report:
            raise ValueError("its readable copy differs from what was signed")
    except InvalidSignature as error:
        raise UsageError("The signature of the report does not hold: it was changed after signing.") from error
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise UsageError(f"This is no signed report of the service ({error}).") from error
    return Checked(report, certificates.organisation(leaf), certificates.certificate_id(leaf), chain)


def authority(checked: Checked, store: TrustStore) -> str:
    """The name of the authority in ``store`` that vouches for the signer now; empty where none does."""
    last, *rest = checked.chain
    anchors = (
        x509.load_pem_x509_certificates(f"{store.anchors}{store.local}".encode())
        if any((store.anchors, store.local))
        else []
    )
    while last.not_valid_before_utc <= datetime.now(UTC) <= last.not_valid_after_utc:
        if (found := next((anchor for anchor in anchors if _issued(last, anchor)), None)) is not None:
            return found.subject.rfc4514_string()
        if not rest or not _issued(last, rest[0]):
            break
        last, *rest = rest
    return ""


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether ``issuer`` is an authority whose signature ``certificate`` carries."""
    try:
        certificate.verify_directly_issued_by(issuer)
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound, UnsupportedAlgorithm):
        return False


def differences(report: Mapping[str, Json], scanned: Scanned, runtime: Runtime) -> tuple[str, ...]:
    """Where a scan made now differs from ``report``, in sentences; none where it comes to the same.

    Measured numbers may differ by two hundredths (coarse ones by their step): on other processors, or more of them,
    sums round otherwise.
    """
    record = to_record(scanned) | {"replay": replay(scanned, runtime)}
    record, slack = (coarse(record), _STEP) if report.get("coarse") else (record, _ROUNDING)
    now = json.loads(json.dumps(compose("", datetime.min, record)))
    told = {
        "picture": "The picture is another one or was read otherwise",
        "replay": "Version, sources, model, policy, prior or thresholds are others than those of the report",
        "verdict": "The verdict differs",
        "evidence": "The evidence differs",
    }
    return tuple(f"{sentence}." for name, sentence in told.items() if not _same(report.get(name), now[name], slack))


def _same(one: Json, other: Json, slack: float) -> bool:
    """Whether two values agree, numbers that are not whole within ``slack``."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(value, other[name], slack) for name, value in one.items())
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(_same(*pair, slack) for pair in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=slack)
    return one == other


_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)


def _algorithm(key: PublicKeyTypes) -> str:
    """The JOSE name of how ``key`` signs (RFC 7518, RFC 8037); ValueError for a kind that signs no reports."""
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return "ES256"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "EdDSA"
    if isinstance(key, rsa.RSAPublicKey):
        return "PS256"
    raise ValueError("the certificate is of a kind that signs no reports")


def _verify(key: PublicKeyTypes, raw: bytes, message: bytes) -> None:
    if isinstance(key, ec.EllipticCurvePublicKey) and len(raw) == 2 * _COORDINATE:
        r, s = int.from_bytes(raw[:_COORDINATE], "big"), int.from_bytes(raw[_COORDINATE:], "big")
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    elif isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(raw, message)
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(raw, message, _PSS, hashes.SHA256())
    else:
        raise InvalidSignature


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
