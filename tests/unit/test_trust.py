"""Laws of the trust store: authorities only, whole lists or nothing, and no network unless asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from filigrane.core.errors import FiligraneError, LimitExceeded, NotFound, UsageError
from filigrane.provenance import keys, trust
from filigrane.provenance.certificates import Holder
from filigrane.provenance.keys import KeyFiles
from filigrane.provenance.trust import MAX_LIST_BYTES, TrustStore


def authority(name: str, *, days: int = 30) -> bytes:
    """A self-signed authority that ends in ``days`` days, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    end = datetime.now(UTC) + timedelta(days=days)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, end - timedelta(days=99), end)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


class Lists(BaseHTTPRequestHandler):
    """Serves what the test put into the server's table; a text is an address to be sent on to."""

    def do_GET(self) -> None:
        found = self.server.table.get(self.path)  # type: ignore[attr-defined]
        self.send_response(404 if found is None else 302 if isinstance(found, str) else 200)
        if isinstance(found, str):
            self.send_header("Location", found)
        self.end_headers()
        self.wfile.write(found if isinstance(found, bytes) else b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    served = ThreadingHTTPServer(("127.0.0.1", 0), Lists)
    served.table = {}  # type: ignore[attr-defined]
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def address(server: ThreadingHTTPServer, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def test_an_empty_home_trusts_nobody(tmp_path: Path) -> None:
    assert trust.load(tmp_path) == TrustStore()
    assert trust.lists(tmp_path) == ()


def test_lists_and_the_local_authority_are_loaded(tmp_path: Path) -> None:
    keys.create(tmp_path / "keys", Holder("Org"))
    trust.add(tmp_path, authority("A") + authority("B"), "some-list")
    store = trust.load(tmp_path)
    assert store.anchors.count("BEGIN CERTIFICATE") == 2
    assert store.local == KeyFiles(tmp_path / "keys").authority.read_text()
    assert [each.name for each in trust.lists(tmp_path)] == ["local", "some-list"]


def test_a_context_is_made_once_per_store(tmp_path: Path) -> None:
    trust.add(tmp_path, authority("A"), "one")
    assert trust.load(tmp_path).context() is trust.load(tmp_path).context()
    assert trust.load(tmp_path).context() is not TrustStore().context()


def test_a_signing_certificate_is_no_anchor(tmp_path: Path) -> None:
    leaf = keys.create(tmp_path / "keys", Holder("Org")).chain_pem
    with pytest.raises(UsageError, match=r"only CA certificates .* claim signer|claim signer.* only CA certificates"):
        trust.add(tmp_path, authority("A") + leaf, "mixed")
    assert not (tmp_path / "trust").exists()


def test_expired_authorities_are_kept_and_named() -> None:
    parsed = trust.parse(authority("Old", days=-1) + authority("New"), "list")
    assert [anchor.name for anchor in parsed.expired] == ["Old"]
    assert len(parsed.anchors) == 2


def test_only_certificates_reach_the_disk(tmp_path: Path) -> None:
    pem = authority("A")
    trust.add(tmp_path, b"# a remark\n" + pem + pem, "list")
    assert (tmp_path / "trust" / "list.pem").read_bytes() == pem


@pytest.mark.parametrize("data", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_list_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UsageError):
        trust.add(tmp_path, data, "list")


def test_an_endless_list_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        trust.parse(bytes(MAX_LIST_BYTES + 1), "list")


@pytest.mark.parametrize("name", ["", "../escape", ".hidden", "a/b", "x" * 101])
def test_a_list_name_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        trust.add(tmp_path, authority("A"), name)


def test_a_damaged_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "bad.pem").write_bytes(b"rubbish")
    with pytest.raises(UsageError, match=r"bad\.pem"):
        trust.load(tmp_path)


def test_update_replaces_lists(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    trust.add(tmp_path, authority("Old"), "signers")
    server.table |= {"/signers.pem": authority("New"), "/tsa.pem": authority("Clock")}  # type: ignore[attr-defined]
    updated = trust.update(tmp_path, [address(server, "/signers.pem"), address(server, "/tsa.pem")])
    assert [each.anchors[0].name for each in updated] == ["New", "Clock"]
    assert {each.name: each.anchors[0].name for each in trust.lists(tmp_path)} == {"signers": "New", "tsa": "Clock"}


@pytest.mark.parametrize(
    "answer", [None, b"<html>", bytes(MAX_LIST_BYTES + 1), "http://example.org/tsa.pem", "file:///etc/passwd"]
)
def test_a_failed_update_changes_nothing(
    tmp_path: Path, server: ThreadingHTTPServer, answer: bytes | str | None
) -> None:
    trust.add(tmp_path, authority("Old"), "signers")
    before = trust.load(tmp_path)
    server.table |= {"/signers.pem": authority("New"), "/tsa.pem": answer}  # type: ignore[attr-defined]
    with pytest.raises(FiligraneError):
        trust.update(tmp_path, [address(server, "/signers.pem"), address(server, "/tsa.pem")])
    assert trust.load(tmp_path) == before


def test_update_follows_a_redirect_to_an_allowed_address(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    server.table |= {"/list.pem": address(server, "/moved.pem"), "/moved.pem": authority("A")}  # type: ignore[attr-defined]
    assert [each.name for each in trust.update(tmp_path, [address(server, "/list.pem")])] == ["list"]


@pytest.mark.parametrize(
    "url", ["http://example.org/list.pem", "ftp://127.0.0.1/list.pem", "file:///list.pem", "list.pem"]
)
def test_only_https_is_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="https"):
        trust.update(tmp_path, [url])


def test_an_unreachable_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"127\.0\.0\.1:1"):
        trust.update(tmp_path, ["http://127.0.0.1:1/list.pem"])


@pytest.mark.parametrize("url", ["http://[::1", "https://[x/list.pem", "foo"])
def test_what_is_no_address_is_one_sentence(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="https"):
        trust.update(tmp_path, [url])


def test_two_lists_never_take_one_name(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    urls = [address(server, "/one/list.pem"), address(server, "/two/list.pem")]
    with pytest.raises(UsageError, match="both"):
        trust.update(tmp_path, urls)


def test_no_list_takes_the_name_of_the_local_authority(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="own authority"):
        trust.add(tmp_path, authority("A"), "local")
