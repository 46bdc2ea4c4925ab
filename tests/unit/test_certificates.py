"""Laws of the local authority, the signing leaf and their files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from filigrane.core.errors import NotFound, SigningError, UsageError
from filigrane.provenance import keys
from filigrane.provenance.certificates import (
    CLAIM_SIGNING,
    Algorithm,
    Holder,
    expiry_problem,
    issue,
    make_authority,
    organisation,
)
from filigrane.provenance.keys import KeyFiles

HOLDER = Holder("Test Org", "FR")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_the_leaf_follows_the_claim_signing_profile(folder: Path, algorithm: Algorithm) -> None:
    leaf = keys.create(folder, HOLDER, algorithm=algorithm).leaf
    extensions = leaf.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    extended = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    authority = x509.load_pem_x509_certificate(KeyFiles(folder).authority.read_bytes())
    own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    issuer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value

    assert leaf.version is x509.Version.v3
    assert basic.critical and not basic.value.ca
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    assert set(extended) == {CLAIM_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION}
    assert issuer.key_identifier == own.digest
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert {item.oid for item in leaf.subject} == {NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME}
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=366)
    leaf.verify_directly_issued_by(authority)


def test_what_is_made_loads_again(folder: Path) -> None:
    made = keys.create(folder, HOLDER, algorithm=Algorithm.ED25519)
    assert keys.load(folder) == made
    assert keys.load(folder).algorithm is Algorithm.ED25519


def test_the_private_key_is_not_shown(folder: Path) -> None:
    assert "PRIVATE" not in repr(keys.create(folder, HOLDER))


def test_private_keys_are_for_their_owner_only(folder: Path) -> None:
    keys.create(folder, HOLDER)
    files = KeyFiles(folder)
    assert files.authority_key.stat().st_mode & 0o777 == 0o600
    assert files.leaf_key.stat().st_mode & 0o777 == 0o600


def test_a_key_that_others_can_read_is_refused(folder: Path) -> None:
    keys.create(folder, HOLDER)
    KeyFiles(folder).leaf_key.chmod(0o640)
    with pytest.raises(SigningError, match="chmod 600"):
        keys.load(folder)


def test_keys_are_replaced_only_when_asked(folder: Path) -> None:
    first = keys.create(folder, HOLDER)
    with pytest.raises(UsageError, match="--force"):
        keys.create(folder, HOLDER)
    assert keys.load(folder) == first
    assert keys.create(folder, HOLDER, replace=True) != first


def test_renewing_keeps_authority_holder_and_algorithm(folder: Path) -> None:
    first = keys.create(folder, HOLDER, algorithm=Algorithm.ED25519)
    authority = KeyFiles(folder).authority.read_bytes()
    second = keys.renew(folder)
    assert second.key_pem != first.key_pem
    assert KeyFiles(folder).authority.read_bytes() == authority
    assert (second.algorithm, organisation(second.leaf)) == (Algorithm.ED25519, "Test Org")
    second.leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))


def test_missing_keys_are_named_with_what_to_do(folder: Path) -> None:
    with pytest.raises(NotFound, match="keys init"):
        keys.load(folder)
    with pytest.raises(NotFound, match="keys init"):
        keys.renew(folder)


def test_a_certificate_of_another_key_is_refused(folder: Path, tmp_path: Path) -> None:
    keys.create(folder, HOLDER)
    keys.create(tmp_path / "other", HOLDER)
    KeyFiles(folder).leaf.write_bytes(KeyFiles(tmp_path / "other").leaf.read_bytes())
    with pytest.raises(SigningError, match="another key"):
        keys.load(folder)


def test_damaged_files_give_a_sentence(folder: Path) -> None:
    keys.create(folder, HOLDER)
    KeyFiles(folder).leaf.write_bytes(b"-----BEGIN nothing")
    with pytest.raises(SigningError, match="no PEM certificate"):
        keys.load(folder)
    KeyFiles(folder).leaf_key.write_bytes(b"not a key")
    with pytest.raises(SigningError, match="no unencrypted PEM key"):
        keys.load(folder)


@pytest.mark.parametrize("holder", [Holder(""), Holder("x" * 65), Holder("Org", "France"), Holder("Org", "fr")])
def test_a_holder_that_no_certificate_can_name_is_refused(folder: Path, holder: Holder) -> None:
    with pytest.raises(UsageError):
        keys.create(folder, holder)
    assert not folder.exists()


def test_a_leaf_lasts_up_to_366_days() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    authority = make_authority(key, HOLDER)
    with pytest.raises(UsageError, match="366"):
        issue(HOLDER, (authority, key), life=timedelta(days=367))


def test_an_end_in_sight_is_told() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    authority = make_authority(key, HOLDER)
    past = issue(HOLDER, (authority, key), starts_at=datetime.now(UTC) - timedelta(days=9), life=timedelta(days=1))
    soon = issue(HOLDER, (authority, key), life=timedelta(days=9))
    assert "expired" in expiry_problem(past.leaf)
    assert "expires" in expiry_problem(soon.leaf)
    assert expiry_problem(authority) == ""


@pytest.mark.parametrize("holder", [Holder("O", "A1"), Holder("O\x1b[31m"), Holder("caf\udce9"), Holder("O\n")])
def test_a_holder_that_can_not_be_printed_is_refused(folder: Path, holder: Holder) -> None:
    with pytest.raises(UsageError):
        keys.create(folder, holder)
    assert not folder.exists()


def test_keys_of_two_processes_never_mix(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    making, name = make_authority, "filigrane.provenance.keys.make_authority"

    def overtaken(key: ec.EllipticCurvePrivateKey, holder: Holder) -> x509.Certificate:
        monkeypatch.setattr(name, making)
        keys.create(folder, HOLDER)
        return making(key, holder)

    monkeypatch.setattr(name, overtaken)
    with pytest.raises(UsageError, match="another process"):
        keys.create(folder, HOLDER)
    leaf, authority = (keys.read_certificates(path)[0] for path in (KeyFiles(folder).leaf, KeyFiles(folder).authority))
    leaf.verify_directly_issued_by(authority)
