"""Real server processes on the loopback: OpenAI's client, kills within a job, several servers, slow senders."""

from __future__ import annotations

import base64
import io
import signal
import socket
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from filigrane.app.serving.api_keys import ApiKeys
from filigrane.app.serving.settings import load_service
from filigrane.app.serving.tables import Ledger
from filigrane.core.settings import load
from filigrane.service.testing import Server, running, served, waves

PICTURES = 120
QUICK = {
    "FILIGRANE_SERVICE_LEASE_S": "2",
    "FILIGRANE_SERVICE_RATE_PER_MINUTE": "1000000",
    "FILIGRANE_SERVICE_WARM": "false",
    "OMP_NUM_THREADS": "1",  # two threads on a busy machine wait for each other
}


def key_for(home: Path, url: str = "") -> dict[str, str]:
    ledger = Ledger.open(home, url)
    _, text = ApiKeys(ledger).create("test", ["detect", "scan", "generate", "lookup"])
    ledger.close()
    return {"Authorization": f"Bearer {text}"}


def zipped(count: int) -> bytes:
    rng, stream = np.random.default_rng(0), io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(count):
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(picture, "png")
            archive.writestr(f"{number:05}.png", picture.getvalue())
    return stream.getvalue()


def start_scan(server: Server, key: dict[str, str], count: int = PICTURES) -> str:
    files = {"archive": ("a.zip", zipped(count))}
    answer = httpx.post(f"{server.url}/v1/scans", files=files, headers=key, timeout=60)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def wait_for(server: Server, key: dict[str, str], scan: str, done: int, within_s: float = 120) -> dict[str, Any]:
    deadline, told = time.monotonic() + within_s, {}
    while time.monotonic() < deadline:
        told = httpx.get(f"{server.url}/v1/scans/{scan}", headers=key, timeout=20).json()
        if told["done"] >= done:
            break
        time.sleep(0.05)
    assert told["done"] >= done, told
    return told


def names(server: Server, key: dict[str, str], scan: str) -> Counter[str]:
    url = f"{server.url}/v1/scans/{scan}/results?limit=1000"
    return Counter(record["path"] for record in httpx.get(url, headers=key, timeout=20).json()["data"])


@pytest.mark.parametrize("pictures", [PICTURES, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_killed_job_is_finished_with_each_picture_once(
    backend: str, pictures: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = str(request.getfixturevalue("postgresql")) if backend == "postgresql" else ""
    home, environment = tmp_path / "home", {**QUICK, "FILIGRANE_SERVICE_DATABASE_URL": url}
    key = key_for(home, url)
    with running(home, environment=environment) as server:
        scan = start_scan(server, key, pictures)
        before = wait_for(server, key, scan, pictures // 20)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    assert before["done"] < pictures
    with running(home, environment=environment) as server:
        told = wait_for(server, key, scan, pictures, 120 + pictures / 5)
        assert (told["state"], told["unreadable"]) == ("done", 0)
        assert names(server, key, scan) == Counter(f"{number:05}.png" for number in range(pictures))


def test_two_servers_on_one_postgresql_share_the_work(tmp_path: Path, postgresql: str) -> None:
    home = tmp_path / "home"
    environment = {**QUICK, "FILIGRANE_SERVICE_DATABASE_URL": postgresql, "FILIGRANE_WORKERS": "1"}
    key = key_for(home, postgresql)
    with running(home, environment=environment) as one, running(home, environment=environment) as two:
        scan = start_scan(one, key, 2 * PICTURES)
        wait_for(two, key, scan, 2 * PICTURES)
        assert names(two, key, scan) == Counter(f"{number:05}.png" for number in range(2 * PICTURES))
    ledger = Ledger.open(home, postgresql)
    with ledger.reading() as connection:
        shares = connection.exec_driver_sql("SELECT worker, count(*) FROM scan_items GROUP BY worker").all()
    ledger.close()
    assert len(shares) == 2 and min(count for _, count in shares) > PICTURES / 6


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {**QUICK, "FILIGRANE_SERVICE_BODY_TIMEOUT_S": "1"}
    with running(tmp_path_factory.mktemp("server"), environment=environment) as started:
        yield started


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that sketches instead of generating."""
    settings = load(home=tmp_path_factory.mktemp("served"), workers=2)
    with served(settings, load_service(rate_per_minute=1_000_000, warm=False)) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-another-service", max_retries=0) as opened:
        yield opened


def png(pixels: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def test_a_generated_picture_says_what_it_is(server: Server) -> None:
    pytest.importorskip("diffusers", reason="generating needs the extra [generate]")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="sk-another-service", max_retries=0) as client:
        made = client.images.generate(prompt="a red circle on a blue ground", timeout=120)
        assert made.data is not None
        data = base64.b64decode(made.data[0].b64_json or "")
        checked = client.content_provenance_checks.create(file=("made.png", data))
    found = {result.type: result for result in checked.results}
    assert found["c2pa"].outcome == "detected" and found["watermark"].outcome == "detected"  # type: ignore[index]


def test_openais_client_gets_marked_pictures(client: openai.OpenAI) -> None:
    made = client.images.generate(prompt="a red circle on a blue ground", n=2, size="320x256", output_format="webp")
    assert made.data is not None and len(made.data) == 2 and made.size == "320x256"
    data = base64.b64decode(made.data[0].b64_json or "")
    assert Image.open(io.BytesIO(data)).size == (320, 256) and data[8:12] == b"WEBP"
    checked = client.content_provenance_checks.create(file=("made.webp", data))
    found = {result.type: result for result in checked.results}
    assert found["c2pa"].outcome == "detected" and found["c2pa"].validation_state == "trusted"  # type: ignore[union-attr]
    assert found["watermark"].outcome == "detected"  # type: ignore[index]
    assert "builtin" in [model.id for model in client.models.list()]


def test_openais_client_edits_a_picture_which_becomes_the_parent(client: openai.OpenAI, url: str) -> None:
    mask = np.full((128, 128, 4), 255, np.uint8)
    mask[:64, :, 3] = 0
    edited = client.images.edit(
        prompt="a green square",
        image=[("a.png", png(waves(1, 128, 128)))],
        mask=("m.png", png(mask)),
        output_format="jpeg",
    )
    assert edited.data is not None
    data = base64.b64decode(edited.data[0].b64_json or "")
    assert data[:2] == b"\xff\xd8"
    answer = httpx.post(f"{url}/v1/detections", files={"file": ("a.jpg", data)}, timeout=60).json()
    manifest = next(item["details"] for item in answer["evidence"] if item["source"] == "manifest")
    assert [item["relationship"] for item in manifest["ingredients"]] == ["parentOf"]
    with pytest.raises(openai.UnprocessableEntityError, match="One image"):
        client.images.edit(prompt="a green square", image=[("a.png", b"x"), ("b.png", b"y")])


def test_openais_client_sees_a_picture_while_it_is_drawn(client: openai.OpenAI) -> None:
    events = list(client.images.generate(prompt="a yellow star", stream=True, partial_images=2))
    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    rough, whole = (Image.open(io.BytesIO(base64.b64decode(events[place].b64_json))) for place in (0, -1))
    assert max(rough.size) < max(whole.size)


def test_openais_client_understands_our_problems(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="category"):
        client.images.generate(prompt="a naked child")
    with pytest.raises(openai.BadRequestError, match="size"):
        client.images.generate(prompt="a red circle", size="9999x9999")
    with pytest.raises(openai.APIStatusError, match="PDF") as caught:
        client.content_provenance_checks.create(file=("a.png", b"%PDF-1.7"))
    assert caught.value.status_code == 415


def test_a_picture_stripped_of_its_manifest_leads_back_to_it(client: openai.OpenAI, url: str) -> None:
    made = client.images.generate(prompt="a red circle on a blue ground", extra_body={"seed": 7})
    assert made.data is not None
    data = base64.b64decode(made.data[0].b64_json or "")
    stripped = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(stripped, "jpeg", quality=85)
    headers = {"Content-Type": "application/octet-stream"}
    found = httpx.post(f"{url}/matches/byContent", content=stripped.getvalue(), headers=headers, timeout=60)
    (match,) = found.json()["matches"]
    assert match["similarityScore"] > 80
    manifest = httpx.get(f"{url}/manifests/{match['manifestId']}")
    assert manifest.headers["content-type"] == "application/c2pa" and b"jumb" in manifest.content[:8]


def connected(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=15)


def test_senders_who_stall_are_cut_off_and_others_are_served(server: Server) -> None:
    head = "POST /matches/byContent HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n"
    stalled = [connected(server.url) for _ in range(100)]
    for one in stalled:
        one.sendall(f"{head}Content-Length: 1000\r\n\r\nonly this".encode())
    assert httpx.get(f"{server.url}/livez").status_code == 200
    for one in stalled:
        with one:
            answer = one.recv(4096)
            assert b" 408 " in answer.split(b"\r\n")[0] and b"problem+json" in answer


def test_a_head_that_never_ends_is_cut_off(url: str) -> None:
    with connected(url) as silent, connected(url) as dripping:
        dripping.sendall(b"GET /livez HTTP/1.1\r\n")
        time.sleep(1.2)
        dripping.sendall(b"X-Y: z\r\n")
        assert httpx.get(f"{url}/livez").status_code == 200
        assert silent.recv(100) == b"" and dripping.recv(100) == b""


def test_a_server_that_is_told_to_stop_finishes_what_it_began(tmp_path: Path) -> None:
    key = key_for(tmp_path)
    with running(tmp_path, environment=QUICK) as server:
        scan = start_scan(server, key, 40)
        wait_for(server, key, scan, 1)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) in (0, -signal.SIGTERM)
    ledger = Ledger.open(tmp_path)
    with ledger.reading() as connection:
        states = {row[0] for row in connection.exec_driver_sql("SELECT DISTINCT state FROM scan_items")}
    ledger.close()
    assert "leased" not in states
