"""Whatever is sent, the service answers, never with an error of its own: by its OpenAPI document, and by bytes."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from filigrane.app.serving.api_keys import ApiKeys
from filigrane.app.serving.settings import load_service
from filigrane.app.serving.tables import Ledger
from filigrane.core.settings import load
from filigrane.service.api import create_app
from filigrane.service.testing import Server, running

FEW = settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    made = load(home=tmp_path_factory.mktemp("home"), workers=2)
    service = load_service(rate_per_minute=10**9, max_upload_bytes=100_000, max_archive_bytes=100_000, warm=False)
    with TestClient(create_app(made, service), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database: SQLite in the home folder (an empty address), then PostgreSQL."""
    if request.param == "sqlite":
        return ""
    address = str(request.getfixturevalue("postgresql_server"))
    import psycopg

    with psycopg.connect(address.format("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE fuzz")
    return address.format("fuzz")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[Server]:
    limits = {"RATE_PER_MINUTE": "1000000000", "MAX_UPLOAD_BYTES": "100000", "MAX_ARCHIVE_BYTES": "100000", "WARM": "0"}
    environment = {f"FILIGRANE_SERVICE_{name}": value for name, value in limits.items()}
    environment |= {"FILIGRANE_SERVICE_DATABASE_URL": database_url, "FILIGRANE_REGISTRY_URL": database_url}
    with running(tmp_path_factory.mktemp("server"), environment=environment) as started:
        yield started


@pytest.fixture(scope="module")
def key(server: Server, database_url: str) -> dict[str, str]:
    ledger = Ledger.open(server.log.parent, database_url)
    scopes = ["detect", "scan", "lookup", "feedback", "publish", "audit"]  # not generate: a picture takes seconds
    _, text = ApiKeys(ledger).create("fuzz", scopes)
    ledger.close()
    return {"Authorization": f"Bearer {text}"}


def test_no_request_by_the_document_breaks_the_service(server: Server, key: dict[str, str]) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json").exclude(path_regex="/events$")
    schemathesis.serializer.alias("application/c2pa", "application/octet-stream")
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]

        @FEW
        @given(case=operation.as_strategy())
        def holds(case: Any) -> None:
            nonlocal tried
            tried += 1
            answer = case.call(headers=key)
            assert answer.status_code < 500 or answer.status_code in (501, 503), answer.text
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == ["application/problem+json"], answer.text

        holds()
    assert tried > 100


def _photo(format: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(stream, format)
    return stream.getvalue()


PHOTOS = [_photo(name) for name in ("jpeg", "png", "webp", "gif", "tiff", "bmp", "avif")]


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A picture with some bytes changed, cut, doubled or added."""
    data = bytearray(draw(st.sampled_from(PHOTOS)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["change", "cut", "add", "double"])):
            case "change" if data:
                data[place] = draw(st.integers(0, 255))
            case "cut":
                del data[place : place + draw(st.integers(1, 50))]
            case "add":
                data[place:place] = draw(st.binary(max_size=30))
            case _:
                data += data[place : place + 200]
    return bytes(data)


@settings(FEW, max_examples=250)
@given(data=broken() | st.binary(max_size=200), name=st.text(max_size=30))
def test_no_upload_breaks_the_service(client: TestClient, data: bytes, name: str) -> None:
    answer = client.post("/v1/detections", files={"file": (name or "a", data)})
    assert answer.status_code in (200, 413, 415, 422), answer.text
    if answer.status_code == 200:
        assert answer.json()["verdict"]["label"] != "ai_generated"


@settings(FEW, max_examples=150)
@given(
    body=st.binary(max_size=300), kind=st.sampled_from(["multipart/form-data; boundary=x", "multipart/form-data", "a"])
)
def test_no_malformed_form_breaks_the_service(client: TestClient, body: bytes, kind: str) -> None:
    for path in ("/v1/detections", "/", "/v1/images/edits"):
        answer = client.post(path, content=b"--x\r\n" + body, headers={"Content-Type": kind})
        assert 400 <= answer.status_code < 500


@pytest.mark.slow
def test_ten_thousand_malformed_bodies_leave_the_service_as_it_was(server: Server, key: dict[str, str]) -> None:
    rng = np.random.default_rng(5)
    routes = ("/v1/detections", "/v1/scans", "/v1/content_provenance_checks", "/matches/byContent", "/manifests", "/")
    statuses: Counter[int] = Counter()
    with httpx.Client(base_url=server.url, headers=key, timeout=60) as client:
        for number in range(10_000):
            data = bytearray(PHOTOS[number % len(PHOTOS)])
            for _ in range(int(rng.integers(1, 9))):
                start = int(rng.integers(len(data)))
                data[start : start + int(rng.integers(1, 40))] = rng.bytes(int(rng.integers(0, 40)))
            form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%b\r\n--x--\r\n' % bytes(
                data
            )
            whole = form if rng.random() < 0.7 else bytes(data)
            kind = "multipart/form-data; boundary=x" if rng.random() < 0.8 else "application/c2pa"
            answer = client.post(routes[number % len(routes)], content=whole, headers={"Content-Type": kind})
            statuses[answer.status_code] += 1
        assert client.get("/readyz").json()["pending"] == 0
    assert sum(count for status, count in statuses.items() if status >= 500) == 0, statuses
    assert statuses[200] and statuses[422]


@pytest.mark.parametrize("tail", [b"<script>alert(1)</script>", b"PK\3\4" + bytes(40), b"%PDF-1.7\n", bytes(500)])
def test_a_file_that_is_two_things_is_read_as_the_picture_and_told(client: TestClient, tail: bytes) -> None:
    answer = client.post("/v1/detections", files={"file": ("a.png", _photo("png") + tail)})
    metadata = next(item for item in answer.json()["evidence"] if item["source"] == "metadata")
    assert metadata["details"]["trailing"]["size_bytes"] == len(tail)
