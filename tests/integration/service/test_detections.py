"""Detections over HTTP: verdicts, reports, problems, and what is refused."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from filigrane.app.inputs import Item
from filigrane.app.mark import Draft, Marker
from filigrane.app.runtime import Runtime
from filigrane.app.scan import scan_items
from filigrane.app.serving import reports
from filigrane.app.serving.settings import load_service
from filigrane.core.settings import Settings
from filigrane.provenance.manifest import Declaration, Software
from filigrane.provenance.source_types import SourceType
from filigrane.service.api import create_app
from filigrane.service.testing import noise, waves


def detect(client: TestClient, picture: bytes, **options: Any) -> Any:
    return client.post("/v1/detections", files={"file": ("a.png", picture)}, **options)


def test_a_picture_gets_a_verdict_that_can_be_fetched_again(client: TestClient) -> None:
    made = detect(client, noise())
    assert made.status_code == 200
    told = made.json()
    assert told["status"] == "completed" and told["verdict"]["label"] == "no_evidence_of_ai"
    assert told["retention"] == {"result_days": 30, "upload_days": 0}
    assert client.get(told["links"]["self"]).json() == told


def test_nothing_of_an_upload_stays(client: TestClient, settings: Settings) -> None:
    data = noise(99)
    assert detect(client, data).status_code == 200
    assert detect(client, data, headers={"Prefer": "respond-async"}).status_code == 202
    deadline = time.monotonic() + 15
    while list((settings.home / "uploads").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    kept = [path for path in settings.home.rglob("*") if path.is_file() and data[60:160] in path.read_bytes()]
    assert kept == []


def test_an_answer_may_come_later(client: TestClient) -> None:
    made = detect(client, noise(1), headers={"Prefer": "respond-async"})
    assert made.status_code == 202 and made.json()["status"] == "queued"
    deadline = time.monotonic() + 15
    while (found := client.get(made.headers["location"])).status_code == 202 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found.json()["status"] == "completed"
    late = detect(client, b"no picture at all", headers={"Prefer": "respond-async"})
    while (found := client.get(late.headers["location"])).status_code == 202 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found.json()["status"] == "failed" and found.json()["error"]


def test_what_is_promised_of_an_upload_is_what_is_kept(settings: Settings, tmp_path: Path, is_problem: Any) -> None:
    service = load_service(keep_uploads=True, uploads_url=str(tmp_path), rate_per_minute=1_000_000, warm=False)
    with TestClient(create_app(settings, service)) as client:
        assert detect(client, noise()).json()["retention"]["upload_days"] == 30
        later = detect(client, noise(1), headers={"Prefer": "respond-async"})
        assert later.json()["retention"]["upload_days"] == 0
        is_problem(detect(client, noise(1), data={"heatmap": "true"}, headers={"Prefer": "respond-async"}), 422)
        while (found := client.get(later.headers["location"])).status_code == 202:
            time.sleep(0.05)
        assert found.json()["retention"]["upload_days"] == 0
        labels = client.get("/metrics").text
        assert 'filigrane_verdicts_total{label="no_evidence_of_ai"} 2.0' in labels


def test_exact_statistics_are_for_those_with_a_key(client: TestClient, make_key: Any, settings: Settings) -> None:
    with Marker.open(settings) as marker:
        path = settings.home / "marked.png"
        software = Software("Test", "1")
        kind = SourceType.TRAINED_ALGORITHMIC_MEDIA
        declaration = Declaration(software, software, datetime.now(UTC), kind)
        marker.mark(Draft(waves(1, 256, 256), "png", declaration), path)
    nobody: dict[str, str] = {}
    heat = {"heatmap": "true"}
    answers = [
        detect(client, path.read_bytes(), headers=headers, data=data).json()
        for headers, data in ((make_key(), nobody), (nobody, heat))
    ]
    known, anybody = ({item["source"]: item for item in answer["evidence"]} for answer in answers)
    assert "p_value" in known["watermark"]["details"] and "p_value" not in anybody["watermark"]["details"]
    assert known["watermark"]["details"]["id"] == anybody["watermark"]["details"]["id"]
    assert anybody["watermark"]["false_positive_rate"] >= known["watermark"]["false_positive_rate"]
    rows = client.app.state.desk.results.find(answers[1]["id"], "").record["heatmap"]["llr"]  # type: ignore[attr-defined]
    assert all(2 * nats == round(2 * nats) for row in rows for nats in row)
    assert answers[0]["verdict"]["label"] == answers[1]["verdict"]["label"] == "ai_generated"
    path.unlink()


def test_a_report_is_signed_and_can_be_replayed(client: TestClient, settings: Settings, tmp_path: Path) -> None:
    data = noise(2)
    answer = client.get(f"{detect(client, data).json()['links']['self']}/report")
    checked = reports.check(answer.content)
    assert checked.signer == "Newsroom"
    replay = checked.report["replay"]
    assert isinstance(replay, dict) and {"policy", "model", "thresholds", "prior"} <= set(replay)
    assert checked.report["coarse"] is True
    path = tmp_path / "a.png"
    path.write_bytes(data)
    runtime = Runtime(settings.model_copy(update={"workers": 1}))
    ((_, again),) = scan_items([Item(str(path))], runtime)
    assert reports.differences(checked.report, again, runtime) == ()
    path.write_bytes(noise(3))
    ((_, other),) = scan_items([Item(str(path))], runtime)
    assert reports.differences(checked.report, other, runtime) != ()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"%PDF-1.7 no picture", 415),
        (b"", 422),
        (b"\x89PNG\r\n\x1a\nbroken", 422),
        (b"\xff\xd8\xff" + bytes(1000), 422),
        (b"x" * 300_000, 413),
    ],
)
def test_what_is_no_picture_is_a_problem_with_a_name(
    client: TestClient, data: bytes, status: int, is_problem: Any
) -> None:
    answer = detect(client, data)
    assert answer.status_code == status
    is_problem(answer, status)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("DELETE", "/v1/detections", 405),
        ("POST", "/v1/detections", 422),
        ("POST", "/v1/feedback", 422),
        ("GET", "/v1/detections/det_none", 404),
        ("GET", "/v1/audit", 401),
        ("GET", "/manifests/urn:c2pa:none", 404),
        ("GET", "/matches/byBinding?alg=a&value=%21", 400),
        ("GET", f"/matches/byBinding?alg=a&value={'A' * 5000}", 414),
    ],
)
def test_every_error_is_a_problem(client: TestClient, method: str, path: str, status: int, is_problem: Any) -> None:
    is_problem(client.request(method, path), status)


def test_a_bomb_is_refused_before_it_is_unpacked(client: TestClient, is_problem: Any) -> None:
    stream = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(stream, "png", optimize=False)
    assert len(stream.getvalue()) < 200_000
    is_problem(detect(client, stream.getvalue()), 413)


def test_addresses_inside_are_not_fetched(client: TestClient, is_problem: Any) -> None:
    for url in ("http://169.254.169.254/latest", "http://[::1]/", "file:///etc/passwd", "http://10.0.0.1/a.png"):
        is_problem(client.post("/v1/detections", data={"url": url}), 400)


def test_feedback_is_taken_for_a_result_one_may_see(client: TestClient) -> None:
    id = detect(client, noise()).json()["id"]
    said = {"detection_id": id, "opinion": "disagree", "comment": "It is mine."}
    assert client.post("/v1/feedback", json=said).status_code == 201
    assert client.post("/v1/feedback", json=said | {"detection_id": "det_other"}).status_code == 404
    assert client.post("/v1/feedback", json=said | {"opinion": "maybe"}).status_code == 422
