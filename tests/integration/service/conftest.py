"""A service in this process, keys for it, and small things that its tests ask again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from filigrane.app.keys import init_keys
from filigrane.app.serving.settings import load_service
from filigrane.core.settings import Settings, load
from filigrane.provenance.certificates import Algorithm, Holder
from filigrane.service.api import create_app

ALL = ["detect", "scan", "generate", "lookup", "feedback", "publish", "audit"]
Check = Callable[[Any, int], None]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = load(home=tmp_path_factory.mktemp("home"), workers=2)
    init_keys(made, Holder("Newsroom"), algorithm=Algorithm.ES256)
    return made


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    service = load_service(
        rate_per_minute=1_000_000,
        max_upload_bytes=200_000,
        max_archive_bytes=400_000,
        outbound=True,
        outbound_networks=("127.0.0.1/32",),
        warm=False,
    )
    with TestClient(create_app(settings, service), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def make_key(client: TestClient) -> Any:
    """Makes an API key with scopes (all by default) and limits, as the header that carries it."""

    def make(*scopes: str, **limits: int) -> dict[str, str]:
        _, text = client.app.state.desk.keys.create("test", scopes or ALL, **limits)  # type: ignore[attr-defined]
        return {"Authorization": f"Bearer {text}"}

    return make


@pytest.fixture(scope="session")
def is_problem() -> Check:
    """Checks that an answer is a problem (RFC 9457) with a status, and names its request."""

    def check(answer: Any, status: int) -> None:
        assert answer.headers["content-type"] == "application/problem+json"
        told = answer.json()
        assert told["status"] == answer.status_code == status
        assert told["request_id"] == answer.headers["x-request-id"]
        assert told["type"].startswith("urn:filigrane:problem:") and told["detail"]

    return check
