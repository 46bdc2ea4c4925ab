"""Who may do what, how often, and what is told to nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from filigrane.app.inputs import Item
from filigrane.app.serving.line import Line
from filigrane.app.serving.settings import load_service
from filigrane.core.settings import Settings
from filigrane.service.api import create_app
from filigrane.service.testing import noise


def detect(client: TestClient, picture: bytes, **options: Any) -> Any:
    return client.post("/v1/detections", files={"file": ("a.png", picture)}, **options)


def test_another_keys_data_is_never_visible(client: TestClient, make_key: Any) -> None:
    mine, others = make_key(), make_key()
    id = detect(client, noise(), headers=mine).json()["id"]
    scan = client.post("/v1/scans", files={"files": ("a.png", noise())}, headers=mine).json()["id"]
    paths = [f"/v1/detections/{id}", f"/v1/detections/{id}/report", f"/v1/scans/{scan}", f"/v1/scans/{scan}/results"]
    paths += [f"/v1/scans/{scan}/events"]
    for path in paths:
        assert client.get(path, headers=mine).status_code == 200, path
        nobody: dict[str, str] = {}
        for stranger in (others, nobody):
            answer = client.get(path, headers=stranger)
            assert answer.status_code in (401, 404) and id not in answer.text.replace(path, ""), path
    assert client.delete(f"/v1/scans/{scan}", headers=others).status_code == 404
    assert client.get(f"/results/{id}").status_code == 404


def test_a_key_may_do_what_its_scopes_say_and_no_more(client: TestClient, make_key: Any, is_problem: Any) -> None:
    only = make_key("detect")
    assert detect(client, noise(), headers=only).status_code == 200
    is_problem(client.post("/v1/scans", files={"files": ("a.png", noise())}, headers=only), 403)
    is_problem(client.get("/v1/audit", headers=only), 403)
    unknown = {"Authorization": f"Bearer fk_{'0' * 16}.{'A' * 43}"}
    is_problem(detect(client, noise(), headers=unknown), 401)
    assert detect(client, noise(), headers={"Authorization": "Bearer sk-openai"}).status_code == 200


def test_only_a_key_may_send_an_archive_and_the_others_are_told_unread(
    client: TestClient, make_key: Any, is_problem: Any
) -> None:
    def parts() -> Iterator[bytes]:
        yield b"--x\r\n"
        raise AssertionError("the body was read")

    form = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "300000"}
    for headers, status in (({}, 401), (make_key("detect"), 403)):
        is_problem(client.post("/v1/scans", content=parts(), headers=headers | form), status)
    files = {"archive": ("a.zip", bytes(300_000))}
    is_problem(client.post("/v1/scans", files=files, headers=make_key()), 400)  # read, and no zip
    is_problem(client.post("/v1/scans", files={"archive": ("a.zip", bytes(600_000))}, headers=make_key()), 413)


def test_rate_and_quota_are_told_with_the_time_to_wait(client: TestClient, make_key: Any, is_problem: Any) -> None:
    slow = make_key(rate_per_minute=6)
    assert client.get("/v1/models", headers=slow).status_code == 200
    refused = client.get("/v1/models", headers=slow)
    is_problem(refused, 429)
    assert 0 < int(refused.headers["retry-after"]) <= 10
    few = make_key(daily_quota=1)
    assert detect(client, noise(), headers=few).status_code == 200
    refused = detect(client, noise(), headers=few)
    is_problem(refused, 429)
    assert 0 < int(refused.headers["retry-after"]) <= 86_400


def test_a_repeated_request_is_answered_and_not_done_again(client: TestClient, make_key: Any, is_problem: Any) -> None:
    headers = make_key(daily_quota=1) | {"Idempotency-Key": "once"}
    first, second = (detect(client, noise(5), headers=headers) for _ in range(2))
    assert first.json() == second.json() and second.headers["idempotent-replayed"] == "true"
    is_problem(detect(client, noise(6), headers=headers), 422)


def test_a_full_line_says_when_to_come_again(settings: Settings, is_problem: Any) -> None:
    service = load_service(waiting=0, rate_per_minute=1_000_000, warm=False)
    with TestClient(create_app(settings.model_copy(update={"workers": 1}), service)) as client:
        scanning = client.app.state.desk.scanning  # type: ignore[attr-defined]
        held = scanning.submit(Item("a.png", data=noise(7, 400)))
        refused = detect(client, noise())
        is_problem(refused, 503)
        assert int(refused.headers["retry-after"]) > 0 and client.get("/readyz").status_code == 503
        held.result(120)
        assert detect(client, noise()).status_code == 200


def test_heat_maps_are_left_out_while_too_many_wait(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.app.state.desk.heat, "_line", Line(-1, seconds_each=1))  # type: ignore[attr-defined]
    answer = detect(client, noise(1, 200), data={"heatmap": "true"})
    assert answer.status_code == 200 and "heatmap" not in answer.json()["links"]


def test_what_was_done_is_in_the_audit_log(client: TestClient, make_key: Any) -> None:
    key = make_key()
    traced = key | {"X-Request-ID": "trace-12345678"}
    answer = detect(client, noise(), headers=traced)
    id = answer.json()["id"]
    later = detect(client, noise(), headers=traced | {"Prefer": "respond-async"}).json()["id"]
    client.post("/v1/feedback", json={"detection_id": id, "opinion": "agree"}, headers=traced)
    scan = client.post("/v1/scans", files={"files": ("a.png", noise())}, headers=traced).json()["id"]
    client.delete(f"/v1/scans/{scan}", headers=traced)
    lines: list[dict[str, Any]] = []
    after = 0
    while page := client.get(f"/v1/audit?after={after}", headers=key).json()["data"]:
        lines, after = lines + page, page[-1]["seq"]
    mine = [line for line in lines if line["request_id"] == "trace-12345678"]
    assert [(line["action"], line["subject"]) for line in mine] == [
        ("detect", id),
        ("detect", later),
        ("feedback", id),
        ("scan", scan),
        ("cancel", scan),
    ]
