"""Jobs over HTTP: progress, results by page, signed notices."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from fastapi.testclient import TestClient
from standardwebhooks import Webhook

from filigrane.service.testing import noise


def zipped(count: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.png", noise(number, 20))
        archive.writestr("broken.png", b"\x89PNG\r\n\x1a\n")
        archive.writestr("readme.txt", b"not looked at")
    return stream.getvalue()


def test_a_scan_tells_its_progress_and_each_result_once(client: TestClient, make_key: Any) -> None:
    key = make_key()
    made = client.post("/v1/scans", files={"archive": ("a.zip", zipped(12))}, headers=key)
    assert made.status_code == 202 and made.json()["total"] == 13
    with client.stream("GET", f"{made.headers['location']}/events", headers=key) as stream:
        events = [line.partition(": ")[2] for line in stream.iter_lines() if line.startswith("event: ")]
    assert events[-1] == "finished"
    paths, cursor = [], "0"
    while cursor is not None:
        url = f"{made.headers['location']}/results?limit=5&cursor={cursor}"
        page = client.get(url, headers=key).json()
        paths += [record["path"] for record in page["data"]]
        cursor = page["next_cursor"]
    assert sorted(paths) == sorted([f"{number}.png" for number in range(12)] + ["broken.png"])
    told = client.get(made.headers["location"], headers=key).json()
    assert (told["state"], told["done"], told["unreadable"]) == ("done", 13, 1)


@pytest.mark.parametrize("archive", [b"", b"no zip", b"PK\3\4" + bytes(100), b"PK\5\6" + bytes(18)])
def test_an_archive_that_is_none_is_refused(client: TestClient, make_key: Any, archive: bytes) -> None:
    answer = client.post("/v1/scans", files={"archive": ("a.zip", archive)}, headers=make_key())
    assert answer.status_code in (400, 422)


def test_the_notice_of_a_finished_scan_is_signed(client: TestClient, make_key: Any) -> None:
    got: list[tuple[dict[str, str], bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        hook = {"webhook_url": f"http://127.0.0.1:{server.server_port}/hook"}
        made = client.post("/v1/scans", files={"archive": ("a.zip", zipped(1))}, data=hook, headers=make_key())
        deadline = time.monotonic() + 20
        while not got and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    ((headers, body),) = got
    told = Webhook(made.json()["webhook_secret"]).verify(body, headers)
    assert told["type"] == "scan.finished" and told["data"]["id"] == made.json()["id"]


def test_a_notice_to_an_address_that_is_no_address_is_refused(
    client: TestClient, make_key: Any, is_problem: Any
) -> None:
    for url in ("file:///etc/passwd", "gopher://a/", "http://u:p@example.org/"):
        answer = client.post(
            "/v1/scans", files={"files": ("a.png", noise())}, data={"webhook_url": url}, headers=make_key()
        )
        is_problem(answer, 400)
