"""Requests to addresses that strangers name: none inside, none for ever, none that leads elsewhere."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from filigrane.app.serving.outbound import Outbound, Refused, Unreachable
from filigrane.core.errors import LimitExceeded


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost:9/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[2002:7f00:1::]/",
        "http://[::7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b:1::7f00:1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://224.0.0.1/",
        "file:///etc/passwd",
        "ftp://example.org/",
        "gopher://example.org/",
        "http://user:secret@example.org/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://exa mple.org/",
        "http://example.org/\r\nX: y",
        "//example.org",
        "http://",
        "http://[::1",
    ],
)
def test_addresses_inside_are_refused(url: str) -> None:
    with pytest.raises((Refused, Unreachable)):
        Outbound(enabled=True, timeout_s=0.2).get(url)


def test_nothing_is_fetched_unless_turned_on() -> None:
    with pytest.raises(Refused):
        Outbound().get("https://example.org/")


def test_a_name_with_one_address_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> list[object]:
        return [(0, 0, 0, "", (address, 80)) for address in ("93.184.216.34", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(Refused):
        Outbound(enabled=True).get("http://two.example/")


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = 302 if self.path == "/away" else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1/")
        self.end_headers()
        self.wfile.write(f"{self.headers['Host']}".encode() * (1000 if self.path == "/long" else 1))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_name_is_resolved_once_and_the_checked_address_is_asked(site: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([[(0, 0, 0, "", ("127.0.0.1", site))]])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: next(answers))
    inside = Outbound(enabled=True, networks=("127.0.0.0/8",))
    # create_connection would resolve again; it is given an address, which needs no second answer.
    monkeypatch.setattr(socket, "create_connection", _connect_without_resolving)
    assert inside.get(f"http://pictures.example:{site}/a") == f"pictures.example:{site}".encode()


def _connect_without_resolving(address: tuple[str, int], timeout: float | None = None) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(timeout)
    connection.connect(address)
    return connection


def test_redirects_are_not_followed_and_answers_are_capped(site: int) -> None:
    inside = Outbound(enabled=True, networks=("127.0.0.1/32",), max_bytes=100)
    with pytest.raises(Unreachable):
        inside.get(f"http://127.0.0.1:{site}/away")
    with pytest.raises(LimitExceeded):
        inside.get(f"http://127.0.0.1:{site}/long")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\nbody"])
def test_a_side_that_drips_runs_out_of_time_wherever_it_is(scheme: str, head: bytes) -> None:
    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(head)
            for _ in range(100):
                connection.sendall(b"\x16" if scheme == "https" else b"a")
                time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        start = time.monotonic()
        with pytest.raises(Unreachable):
            inside = Outbound(enabled=True, networks=("127.0.0.1/32",), timeout_s=0.1)
            inside.get(f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/")
        assert time.monotonic() - start < 1
        thread.join()
