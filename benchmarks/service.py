"""The service under load: requests a second, waiting times, processor time, memory; beside a bare scan.

Clients send 1-megapixel JPEGs to ``POST /v1/detections`` of a server process of its own on the loopback. A refusal
(503 with Retry-After) is an answer too and is counted apart; any other answer than that of a bare scan of the same
file fails the run.
"""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
from PIL import Image

from benchmarks.scan import make_photos
from filigrane.app.inputs import expand
from filigrane.app.runtime import Runtime
from filigrane.app.scan import scan_items
from filigrane.core.settings import load
from filigrane.service.testing import Server, running

CLIENTS, SECONDS, PHOTOS, MANY = (1, 8, 64), 30.0, 24, 10_000
OPEN = {"FILIGRANE_SERVICE_RATE_PER_MINUTE": "1000000000"}


Photo = tuple[bytes, str]
"""A file, and the label that a bare scan gives it."""


def load_with(server: Server, clients: int, photos: list[Photo], seconds: float) -> tuple[list[float], Counter[int]]:
    """Times in seconds of answered requests, and how many answers of each status, from ``clients`` at once."""
    times: list[float] = []
    answers: Counter[int] = Counter()
    lock, end = threading.Lock(), time.monotonic() + seconds

    def one(number: int) -> None:
        with httpx.Client(base_url=server.url, timeout=120) as client:
            while time.monotonic() < end:
                number += clients
                body, label = photos[number % len(photos)]
                start = time.perf_counter()
                answer = client.post("/v1/detections", files={"file": ("a.jpg", body)})
                elapsed_s = time.perf_counter() - start
                if answer.status_code == 200:
                    assert answer.json()["verdict"]["label"] == label, answer.text
                else:
                    assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0, answer.text
                    time.sleep(0.2)
                with lock:
                    answers[answer.status_code] += 1
                    times.extend([elapsed_s] if answer.status_code == 200 else [])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, answers


def processes(server: Server) -> tuple[psutil.Process, ...]:
    """The server and its workers."""
    parent = psutil.Process(server.process.pid)
    return (parent, *parent.children(recursive=True))


def resident_mb(server: Server) -> float:
    """Resident memory of the server and its workers, in megabytes."""
    return float(sum(process.memory_info().rss for process in processes(server))) / 1e6


def spent_s(server: Server) -> float:
    """Processor time of the server and its workers until now, in seconds: what other programs do leaves it alone."""
    return float(sum(sum(process.cpu_times()[:2]) for process in processes(server)))


def memory_over(server: Server, requests: int) -> list[float]:
    """Resident memory in megabytes at every tenth part of many requests with small pictures, from four clients."""
    body, curve = io.BytesIO(), []
    Image.effect_noise((24, 24), 60).convert("RGB").save(body, "png")
    files = {"file": ("a.png", body.getvalue())}
    with ThreadPoolExecutor(4) as pool, httpx.Client(base_url=server.url, timeout=60) as client:

        def one(_: int) -> int:
            return client.post("/v1/detections", files=files).status_code

        for _ in range(10):
            statuses = set(pool.map(one, range(requests // 10)))
            assert statuses == {200}, statuses
            curve.append(resident_mb(server))
    return curve


def bare(folder: Path, home: Path) -> tuple[float, list[Photo]]:
    """Pictures a second of a scan of the files in ``folder`` without a server, and what it says of them."""
    runtime, photos = Runtime(load(home=home)), []
    start = time.perf_counter()
    for item, scanned in scan_items(expand([str(folder)], max_bytes=2**28), runtime):
        assert scanned.verdict is not None, scanned.error
        photos.append((Path(item.path).read_bytes(), scanned.verdict.label.value))
    return len(photos) / (time.perf_counter() - start), photos


def main() -> None:
    """Print one line for each number of clients."""
    seconds = float(os.environ.get("BENCH_SECONDS", SECONDS))
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name) / "photos", Path(name) / "home"
        folder.mkdir()
        make_photos(folder)
        for path in sorted(folder.glob("*.jpg"))[PHOTOS:]:
            path.unlink()
        rate, photos = bare(folder, home)
        print(f"bare scan: {rate:.2f} pictures/s, {len(os.sched_getaffinity(0))} cores", flush=True)
        with running(home, environment=OPEN) as server:
            load_with(server, 2, photos, 5)
            for clients in CLIENTS:
                start, before_s = time.perf_counter(), spent_s(server)
                times, answers = load_with(server, clients, photos, seconds)
                whole_s, ordered = time.perf_counter() - start, sorted(times)
                each_s = (spent_s(server) - before_s) / len(times)
                print(
                    f"{clients:>3} clients: {len(times) / whole_s:.2f} req/s, p50 {statistics.median(ordered):.2f} s, "
                    f"p99 {ordered[int(0.99 * (len(ordered) - 1))]:.2f} s, {answers[503]} refused with 503, "
                    f"{each_s:.2f} s of processor time each, {resident_mb(server):.0f} MB resident",
                    flush=True,
                )
            many = int(os.environ.get("BENCH_REQUESTS", MANY))
            curve = memory_over(server, many)
            print(f"resident MB over {many:,} small requests: " + " ".join(f"{size:.0f}" for size in curve), flush=True)
