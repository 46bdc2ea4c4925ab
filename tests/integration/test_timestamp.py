"""Time stamps: asked of an authority on this machine, kept where it answers, left out with a warning where not."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from filigrane.core.errors import SigningError
from filigrane.core.image import encode
from filigrane.core.values import Integrity, Pixels, Trust
from filigrane.provenance import keys, trust
from filigrane.provenance.certificates import Holder, issue
from filigrane.provenance.manifest import Declaration, Software
from filigrane.provenance.read import read_manifest
from filigrane.provenance.sign import KeyFile, Signer
from filigrane.provenance.source_types import SourceType

DECLARED = Declaration(
    Software("Model", "1"), Software("Filigrane", "0.1"), datetime(2026, 1, 1, tzinfo=UTC), SourceType.DIGITAL_ART
)
CONFIGURATION = """
[tsa]
default_tsa = stamp
[stamp]
serial = {folder}/serial
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
signer_digest = sha256
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True)
class Authority:
    """A time-stamp authority that runs: its address, and the certificate to trust."""

    url: str
    anchor: bytes


def _named(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Clock"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _make_authority(folder: Path) -> bytes:
    """Write tsa.pem and tsa.key into ``folder``, and give the authority's certificate."""
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    start, end = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=9)
    own = x509.SubjectKeyIdentifier.from_public_key(root.public_key())
    authority = (
        x509.CertificateBuilder(_named("Root"), _named("Root"), root.public_key(), 1, start, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(own, critical=False)
        .sign(root, hashes.SHA256())
    )
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    signer = (
        x509.CertificateBuilder(_named("Root"), _named("Clock"), leaf.public_key(), 2, start, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
        .sign(root, hashes.SHA256())
    )
    (folder / "tsa.pem").write_bytes(signer.public_bytes(Encoding.PEM))
    (folder / "tsa.key").write_bytes(leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))
    return authority.public_bytes(Encoding.PEM)


class Clock(BaseHTTPRequestHandler):
    """Answers RFC 3161 requests with what ``openssl ts`` says."""

    def do_POST(self) -> None:
        folder: Path = self.server.folder  # type: ignore[attr-defined]
        (folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply"]
        command += ["-signer", "tsa.pem", "-inkey", "tsa.key"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=20)
        reply = (folder / "reply").read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is absent, which plays the time-stamp authority in this test")
    folder = tmp_path_factory.mktemp("tsa")
    anchor = _make_authority(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Clock)
    server.folder = folder  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Authority(f"http://127.0.0.1:{server.server_port}/", anchor)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.create(tmp_path / "keys", Holder("Test Org"))
    return tmp_path


@pytest.fixture
def data(scene: Pixels) -> bytes:
    return encode(scene[:64, :64].copy(), "png")


def test_a_stamp_by_a_trusted_authority_gives_the_time(folder: Path, data: bytes, authority: Authority) -> None:
    trust.add(folder, authority.anchor, "clock")
    signer = Signer(
        KeyFile(keys.load(folder / "keys")), trust.load(folder), timestamp_url=authority.url, require_timestamp=True
    )
    made = signer.sign_bytes(data, "png", declaration=DECLARED)
    assert made.warnings == ()
    assert made.reading.time_stamped and made.reading.trust is Trust.TRUSTED
    assert made.reading.signed_at is not None
    assert abs(made.reading.signed_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_stamped_file_outlives_its_certificate(folder: Path, data: bytes, authority: Authority) -> None:
    trust.add(folder, authority.anchor, "clock")
    files = keys.KeyFiles(folder / "keys")
    issuer = x509.load_pem_x509_certificate(files.authority.read_bytes())
    key: Any = load_pem_private_key(files.authority_key.read_bytes(), None)
    day = timedelta(days=1)
    leaf = issue(Holder("Org"), (issuer, key), starts_at=datetime.now(UTC) - day, life=day + timedelta(seconds=2))
    made = Signer(KeyFile(leaf), trust.load(folder), timestamp_url=authority.url).sign_bytes(
        data, "png", declaration=DECLARED
    )
    end = leaf.leaf.not_valid_after_utc + timedelta(seconds=1.1)
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()))
    found = read_manifest(made.data, "png", trust.load(folder))
    assert found is not None
    assert (found.integrity, found.trust, found.time_stamped) == (Integrity.INTACT, Trust.TRUSTED, True)


def test_a_stamp_by_an_unknown_authority_is_said_to_be_that(folder: Path, data: bytes, authority: Authority) -> None:
    credential, store = KeyFile(keys.load(folder / "keys")), trust.load(folder)
    made = Signer(credential, store, timestamp_url=authority.url).sign_bytes(data, "png", declaration=DECLARED)
    assert not made.reading.time_stamped
    assert "not trusted here" in made.warnings[0]
    with pytest.raises(SigningError, match="trust import"):
        Signer(credential, store, timestamp_url=authority.url, require_timestamp=True).sign_bytes(
            data, "png", declaration=DECLARED
        )


def test_an_unreachable_authority_is_left_out_or_fails_as_asked(folder: Path, data: bytes) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        credential, store = KeyFile(keys.load(folder / "keys")), trust.load(folder)
        made = Signer(credential, store, timestamp_url=url).sign_bytes(data, "png", declaration=DECLARED)
        assert (made.reading.integrity, made.reading.time_stamped) == (Integrity.INTACT, False)
        assert "gave no time stamp" in made.warnings[0]
        with pytest.raises(SigningError, match="required"):
            Signer(credential, store, timestamp_url=url, require_timestamp=True).sign_bytes(
                data, "png", declaration=DECLARED
            )
