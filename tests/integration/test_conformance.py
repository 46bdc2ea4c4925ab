"""Files that other tools wrote: integrity, signer and generator as the list of observed states expects.

Raw states drift where a certificate without time stamp expires, so the integrity class is what is held fast.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from filigrane.core.errors import UnreadableInput
from filigrane.core.formats import sniff
from filigrane.core.values import Integrity, Manifest, Trust
from filigrane.provenance.read import read_manifest
from filigrane.provenance.trust import TrustStore

OFFICIAL = ("trust-list__C2PA-TRUST-LIST.pem", "trust-list__C2PA-TSA-TRUST-LIST.pem")
INTERIM = (*OFFICIAL, "public__trust__anchors.pem")
GENERATORS = {"Adobe Firefly": "Firefly", "FLUX (BFL)": "Black Forest Labs", "OpenAI": "ChatGPT"}
ALLOWED_LEAF_ONLY = "flux-1.png"
"""Trusted by a list of signing certificates, which the C2PA library ignores: its authority is on no anchor list."""


@pytest.fixture(scope="module")
def provenance(shared_data: Path) -> Path:
    folder = shared_data / "provenance"
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"the folder of other tools' files is absent ({folder})")
    return folder


@pytest.fixture(scope="module")
def rows(provenance: Path) -> list[dict[str, str]]:
    with (provenance / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def anchors(folder: Path, names: tuple[str, ...]) -> TrustStore:
    return TrustStore("\n".join((folder / "trust" / name).read_text() for name in names))


def embedded_roots(data: bytes) -> Iterator[str]:
    """The self-signed authorities of C2PA's test suite that travel in a file's certificate chain, as PEM."""
    position = data.find(b"\x30\x82")
    while position >= 0:
        size = int.from_bytes(data[position + 2 : position + 4], "big") + 4
        try:
            found = x509.load_der_x509_certificate(data[position : position + size])
        except ValueError:
            found = None
        if found is not None and found.issuer == found.subject and "C2PA Test" in found.subject.rfc4514_string():
            yield found.public_bytes(Encoding.PEM).decode()
        position = data.find(b"\x30\x82", position + 1)


def read(path: Path, store: TrustStore) -> Manifest | None:
    data = path.read_bytes()
    try:
        return read_manifest(data, sniff(data), store)
    except UnreadableInput:
        return None


def expected(state: str) -> Trust | None:
    """What a raw state says of the signer of a whole file: Trusted, Valid (unknown); Invalid says nothing for sure."""
    return {"Trusted": Trust.TRUSTED, "Valid": Trust.UNKNOWN}.get(state)


@pytest.mark.parametrize(
    ("column", "names"),
    [("state_no_trust", ()), ("state_official_list", OFFICIAL), ("state_official_plus_interim", INTERIM)],
)
def test_integrity_and_signer(
    provenance: Path, rows: list[dict[str, str]], column: str, names: tuple[str, ...]
) -> None:
    store = anchors(provenance, names)
    wrong: list[tuple[str, object, object]] = []
    for row in rows:
        found = read(provenance / row["path"], store)
        if row[column].startswith("C2pa"):
            if found is not None:
                wrong.append((row["path"], "a manifest was found", found.problems))
            continue
        wanted = Integrity.TAMPERED if row["broken"] == "1" else Integrity.INTACT
        if found is None or found.integrity is not wanted:
            wrong.append((row["path"], wanted, found))
            continue
        signer = expected(row[column])
        known = row["path"].endswith(ALLOWED_LEAF_ONLY) and names == INTERIM
        if signer is not None and found.trust is not (Trust.UNKNOWN if known else signer):
            wrong.append((row["path"], signer, found.trust))
    assert wrong == []


def test_the_test_suites_own_roots(provenance: Path, rows: list[dict[str, str]]) -> None:
    files = [provenance / row["path"] for row in rows if row["state_c2pa_test_roots"] == "Trusted"]
    store = TrustStore("".join(dict.fromkeys(pem for path in files for pem in embedded_roots(path.read_bytes()))))
    found = {path: read(path, store) for path in files}
    assert len(files) >= 10
    assert {item.trust for item in found.values() if item is not None} == {Trust.TRUSTED}
    assert {item.integrity for item in found.values() if item is not None} == {Integrity.INTACT}
    assert None not in found.values()


def test_generators_are_named(provenance: Path, rows: list[dict[str, str]]) -> None:
    named = {}
    for row in rows:
        if row["generator"] in GENERATORS and not row["state_no_trust"].startswith("C2pa"):
            found = read(provenance / row["path"], TrustStore())
            assert found is not None
            assert GENERATORS[row["generator"]] in found.generator
            assert any("trainedAlgorithmicMedia" in uri for uri in found.source_types)
            named[row["generator"]] = found.generator
    assert set(named) == set(GENERATORS)


def test_failures_are_explained(provenance: Path, rows: list[dict[str, str]]) -> None:
    store = anchors(provenance, OFFICIAL)
    for row in rows:
        codes = {code for code in row["fail_official"].split(",") if code}
        found = read(provenance / row["path"], store)
        if codes and found is not None:
            assert codes <= {item.code for item in found.problems}, row["path"]
            assert all(item.explanation.endswith((".", ")")) for item in found.problems)
