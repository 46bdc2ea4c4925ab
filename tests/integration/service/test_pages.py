"""The OpenAI shape, health, and the page without scripts."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from fastapi.testclient import TestClient

from filigrane.app.scan import Scanned
from filigrane.service.testing import noise


def test_a_provenance_check_has_openais_shape(client: TestClient) -> None:
    answer = client.post("/v1/content_provenance_checks", files={"file": ("a.png", noise())})
    results = {item["type"]: item for item in answer.json()["results"]}
    assert results["c2pa"]["outcome"] == "not_detected" and results["c2pa"]["validation_state"] == "not_present"
    assert results["synthid"] == {"type": "synthid", "outcome": "not_detected"}


def test_words_that_ask_for_harm_are_refused_with_category_and_rule(client: TestClient, is_problem: Any) -> None:
    answer = client.post("/v1/images/generations", json={"prompt": "a naked child"})
    is_problem(answer, 400)
    assert "category" in answer.json()["detail"] and "rule" in answer.json()["detail"]


def test_health_version_and_figures(client: TestClient) -> None:
    assert client.get("/livez").json() == {"status": "ok"}
    assert client.get("/readyz").json()["status"] == "ok"
    assert client.get("/version").json()["policy"]["hash"]
    assert client.post("/v1/detections", files={"file": ("a.png", noise())}).status_code == 200
    assert client.request("INVENTED", "/livez").status_code == 405
    text = client.get("/metrics").text
    assert "INVENTED" not in text and 'method="other"' in text
    assert 'filigrane_requests_total{method="POST",route="/v1/detections",status="200"}' in text


def test_a_server_is_ready_once_its_models_are_loaded(client: TestClient, is_problem: Any) -> None:
    state, loading = client.app.state, Future[Any]()  # type: ignore[attr-defined]
    desk = state.desk
    state.desk = replace(desk, warming=(loading,))
    try:
        is_problem(client.get("/readyz"), 503)
        loading.set_result(Scanned("warm.png"))
        assert client.get("/readyz").status_code == 200
        failed = Future[Any]()
        failed.set_result(Scanned("warm.png", error="The worker process could not start."))
        state.desk = replace(desk, warming=(failed,))
        is_problem(client.get("/readyz"), 503)
    finally:
        state.desk = desk


def test_the_page_works_without_scripts_and_in_two_languages(client: TestClient, make_key: Any) -> None:
    assert "Where does this picture come from?" in client.get("/").text
    assert "D’où vient cette image" in client.get("/", headers={"Accept-Language": "fr-CH, en;q=0.5"}).text
    answer = client.post("/", files={"file": ("a.png", noise())})
    assert answer.status_code == 200 and "/results/det_" in str(answer.url) and "No sign of AI was found" in answer.text
    broken = client.post("/", files={"file": ("a.png", b"no picture")})
    assert broken.status_code == 415 and "<h1>This is not a picture that can be read here.</h1>" in broken.text
    assert client.get("/recent", follow_redirects=False).headers["location"] == "/signin"


def test_signing_in_shows_ones_own_results_until_signing_out(client: TestClient, make_key: Any) -> None:
    text = make_key()["Authorization"].removeprefix("Bearer ")
    assert client.post("/signin", data={"key": "wrong"}).status_code == 401
    elsewhere = client.post("/signin", data={"key": text}, headers={"Origin": "https://evil.example"})
    assert elsewhere.status_code == 403 and not client.cookies
    signed_in = client.post("/signin", data={"key": text}, follow_redirects=False)
    cookie = signed_in.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and text not in cookie
    client.post("/", files={"file": ("a.png", noise(21))})
    assert "No sign of AI was found" in client.get("/recent").text
    elsewhere = client.post("/", files={"file": ("a.png", noise())}, headers={"Origin": "https://evil.example"})
    assert elsewhere.status_code == 403
    client.post("/signout")
    assert "/signin" in str(client.get("/recent").url)


def test_a_page_never_repeats_what_a_stranger_wrote_as_markup(client: TestClient) -> None:
    answer = client.get("/find", params={"id": "<script>alert(1)</script>"})
    assert "<script>alert" not in answer.text and "&lt;script&gt;" in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]
