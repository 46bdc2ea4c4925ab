"""The C2PA lookup over HTTP."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from filigrane.app.keys import init_keys
from filigrane.app.mark import Draft, Marker
from filigrane.app.serving import reports
from filigrane.app.sign import SignRequest, sign_file
from filigrane.core.settings import Settings, load
from filigrane.provenance import binding
from filigrane.provenance.certificates import Algorithm, Holder
from filigrane.provenance.manifest import Declaration, Software
from filigrane.provenance.registry import IssuedMark
from filigrane.provenance.source_types import SourceType
from filigrane.service.testing import noise, waves


@pytest.fixture(scope="module")
def signed_store(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("signed")
    (folder / "a.png").write_bytes(noise(11, 64))
    made = sign_file(SignRequest(folder / "a.png", folder / "b.png", "digitalCapture", sidecar=True), settings)
    assert made.sidecar is not None
    return made.sidecar.read_bytes()


def test_a_manifest_is_published_bound_found_and_withdrawn(
    client: TestClient, make_key: Any, signed_store: bytes
) -> None:
    key, other = make_key(), make_key()
    send = {"content": signed_store, "headers": key | {"Content-Type": "application/c2pa"}}
    made = client.post("/manifests", **send)
    assert made.status_code == 201
    id = made.json()["manifestId"]
    assert client.post("/manifests", **send).json() == {"manifestId": id}
    assert client.get(f"/manifests/{id}").content == signed_store
    active = client.get(f"/manifests/{id}?returnActiveManifest=true")
    assert active.headers["content-type"] == "application/c2pa" and len(active.content) <= len(signed_store)
    bound = {"manifestId": id, "alg": "com.example.mark.1", "value": base64.b64encode(b"17").decode()}
    assert client.post("/bindings", json=bound, headers=other).status_code == 404
    assert client.post("/bindings", json=bound, headers=key).status_code == 201
    expected = {"matches": [{"manifestId": id}]}
    query = {"alg": bound["alg"], "value": bound["value"]}
    assert client.get("/matches/byBinding", params=query).json() == expected
    assert client.post("/matches/byBinding", json=query).json() == expected
    changed = bound | {"value": base64.b64encode(b"18").decode()}
    assert client.put("/bindings", json=changed, headers=key).status_code == 200
    assert client.get("/matches/byBinding", params=query).json() == {"matches": []}
    receipt = client.get(f"/manifests/{id}/receipts").json()["receipts"][0]
    assert reports.check(json.dumps(receipt).encode()).report["manifestId"] == id
    assert client.post(f"/manifests/{id}/receipts", headers=key).status_code == 201
    assert client.delete(f"/manifests/{id}", headers=other).status_code == 404
    assert client.delete(f"/manifests/{id}", headers=key).status_code == 204
    assert client.get(f"/manifests/{id}").status_code == 404


def marked(settings: Settings, path: Path) -> IssuedMark:
    with Marker.open(settings) as marker:
        software, kind = Software("Test", "1"), SourceType.TRAINED_ALGORITHMIC_MEDIA
        declaration = Declaration(software, software, datetime.now(UTC), kind)
        return marker.mark(Draft(waves(1, 256, 256), "png", declaration), path).mark


def test_a_mark_that_was_issued_here_is_nobodys_to_take_back(
    client: TestClient, make_key: Any, settings: Settings, tmp_path: Path, is_problem: Any
) -> None:
    mark = marked(settings, tmp_path / "a.png")
    is_problem(client.delete(f"/manifests/{mark.manifest_id}", headers=make_key()), 404)
    assert "x-revoked" not in client.get(f"/manifests/{mark.manifest_id}").headers


def test_the_manifest_of_another_installation_is_kept_without_its_number(
    client: TestClient, make_key: Any, tmp_path: Path
) -> None:
    elsewhere = load(home=tmp_path / "elsewhere")
    init_keys(elsewhere, Holder("Another"), algorithm=Algorithm.ES256)
    mark, key = marked(elsewhere, tmp_path / "a.png"), make_key()
    made = client.post("/manifests", content=mark.manifest, headers=key | {"Content-Type": "application/c2pa"})
    assert made.status_code == 201 and client.get(f"/manifests/{mark.manifest_id}").content == mark.manifest
    value = base64.b64encode(binding.to_value(mark.id).encode()).decode()
    found = client.get("/matches/byBinding", params={"alg": binding.ALGORITHM, "value": value})
    assert found.json() == {"matches": []}


def test_our_own_marks_are_never_bound_by_hand(
    client: TestClient, make_key: Any, signed_store: bytes, is_problem: Any
) -> None:
    key = make_key()
    headers = key | {"Content-Type": "application/c2pa"}
    id = client.post("/manifests", content=signed_store, headers=headers).json()["manifestId"]
    value = base64.b64encode(b"1*" + b"0" * 60).decode()
    told = {"manifestId": id, "alg": "io.filigrane.spread.1", "value": value}
    is_problem(client.post("/bindings", json=told, headers=key), 400)
    client.delete(f"/manifests/{id}", headers=key)


@pytest.mark.parametrize("data", [b"x", b"\0\0\0\x08jumb", bytes(1000)])
def test_bytes_that_are_no_manifest_are_refused(
    client: TestClient, make_key: Any, data: bytes, is_problem: Any
) -> None:
    headers = make_key() | {"Content-Type": "application/c2pa"}
    is_problem(client.post("/manifests", content=data, headers=headers), 422)


def test_the_service_says_where_it_is_and_what_it_can(client: TestClient) -> None:
    told = client.get("/.well-known/c2pa-soft-binding-resolution").json()
    assert told["supportedAlgorithms"]["watermarks"] == [{"alg": "io.filigrane.spread.1"}]
    assert client.get("/services/supportedAlgorithms").json() == told["supportedAlgorithms"]
    assert client.get("/services/capabilities").json()["matches"]["byReference"] is False
    assert client.get("/services/status").json() == {"status": "ok"}
