"""What PostgreSQL does otherwise than SQLite: it refuses NUL characters, and locks rows, not the whole database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fastapi.testclient import TestClient

from filigrane.app.records import to_record
from filigrane.app.scan import Scanned
from filigrane.app.serving.api_keys import SCOPES
from filigrane.app.serving.queue import Kind, Order, ScanQueue
from filigrane.app.serving.settings import load_service
from filigrane.app.serving.tables import Ledger
from filigrane.core.settings import load
from filigrane.service.api import create_app

ROUNDS = 40


def test_a_nul_character_is_a_wrong_request_and_no_failure(tmp_path: Path, postgresql: str) -> None:
    settings = load(home=tmp_path, registry_url=postgresql, workers=1)
    service = load_service(database_url=postgresql, rate_per_minute=1_000_000, warm=False)
    with TestClient(create_app(settings, service), raise_server_exceptions=False) as client:
        _, text = client.app.state.desk.keys.create("test", SCOPES)  # type: ignore[attr-defined]
        headers = {"Authorization": f"Bearer {text}"}
        bound = {"manifestId": "a\0", "alg": "a", "value": "AA=="}
        answers = [
            *(client.get(f"/{path}/%00", headers=headers) for path in ("v1/detections", "v1/scans", "manifests")),
            client.get("/find?id=%00", headers=headers),
            client.get("/results/%00"),
            client.get("/matches/byBinding?alg=a%00&value=AA==", headers=headers),
            client.post("/matches/byBinding", json={"alg": "a", "value": "AA=="}, headers=headers),
            client.post("/bindings", json=bound, headers=headers),
            client.delete("/manifests/%00", headers=headers),
            client.post("/v1/feedback", json={"detection_id": "\0", "opinion": "agree"}, headers=headers),
        ]
    assert {answer.status_code for answer in answers} <= {400, 404}, [answer.text for answer in answers]


def test_cancelling_a_job_and_recording_its_pictures_never_wait_for_each_other(tmp_path: Path, postgresql: str) -> None:
    ledger = Ledger.open(tmp_path, postgresql)
    work, seen = ScanQueue(ledger, worker="one"), to_record(Scanned("0.png"))
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            scan = work.add(Order("owner", Kind.SCAN, "a.zip", ["0.png"]))
            (held,) = work.claim(1)
            start = threading.Barrier(2)

            def cancel(id: str = scan.id, start: threading.Barrier = start) -> None:
                start.wait()
                work.cancel(id)

            cancelling = pool.submit(cancel)
            start.wait()
            work.finish(held, seen)
            cancelling.result()
            found = work.find(scan.id, "owner")
            assert found is not None and found.state != "running" and found.done == len(work.records(scan.id))
    ledger.close()
