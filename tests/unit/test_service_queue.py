"""Laws of the queue of scans: each picture once, whoever dies."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from filigrane.app.outbound import Outbound
from filigrane.app.results import Results
from filigrane.app.runtime import Runtime
from filigrane.app.scan import Scanned
from filigrane.app.scan_queue import Kind, Order, ScanQueue, State
from filigrane.app.scan_runner import ScanRunner
from filigrane.app.scan_service import ScanService
from filigrane.app.service_tables import Ledger
from filigrane.app.uploads import Uploads
from filigrane.core.settings import load


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "home")
    yield opened
    opened.close()


def queue(ledger: Ledger, worker: str, lease_s: float = 30.0) -> ScanQueue:
    return ScanQueue(ledger, Results(ledger, days=1), worker=worker, lease_s=lease_s)


def order(count: int, kind: Kind = Kind.SCAN) -> Order:
    return Order("owner", kind, "a.zip", [f"{number}.png" for number in range(count)])


def test_two_workers_never_hold_the_same_picture(ledger: Ledger) -> None:
    first, second = queue(ledger, "one"), queue(ledger, "two")
    first.add(order(5))
    held = [item.position for item in (*first.claim(3), *second.claim(3))]
    assert sorted(held) == [0, 1, 2, 3, 4]


def test_a_lease_that_ended_goes_to_another_and_only_its_holder_records(ledger: Ledger) -> None:
    dead, alive = queue(ledger, "dead", lease_s=0.0), queue(ledger, "alive")
    scan = dead.add(order(1))
    (lost,) = dead.claim(1)
    (taken,) = alive.claim(1)
    assert (lost.scan, lost.position) == (taken.scan, taken.position)
    assert not dead.finish(lost, Scanned("0.png"))
    assert alive.finish(taken, Scanned("0.png"))
    assert not alive.finish(taken, Scanned("0.png"))
    found = alive.find(scan.id, "owner")
    assert found is not None and (found.done, found.state) == (1, State.DONE)


def test_a_picture_that_kills_every_server_is_given_up(ledger: Ledger) -> None:
    dying = queue(ledger, "dying", lease_s=0.0)
    scan = dying.add(order(1))
    while dying.claim(1):
        pass
    found = dying.find(scan.id, "owner")
    assert found is not None and (found.done, found.unreadable, found.state) == (1, 1, State.DONE)


def test_results_are_numbered_without_gaps_in_the_order_of_finishing(ledger: Ledger) -> None:
    work = queue(ledger, "one")
    scan = work.add(order(4))
    held = work.claim(4)
    for item in reversed(held):
        work.finish(item, Scanned(item.member))
    page = work.records(scan.id, limit=3)
    rest = work.records(scan.id, after=page[-1][0])
    assert [number for number, _ in (*page, *rest)] == [1, 2, 3, 4]
    assert [record["path"] for _, record in (*page, *rest)] == ["3.png", "2.png", "1.png", "0.png"]


def test_what_is_put_back_is_taken_at_once(ledger: Ledger) -> None:
    stopping, going = queue(ledger, "stopping"), queue(ledger, "going")
    stopping.add(order(2))
    assert len(stopping.claim(2)) == 2 and going.claim(2) == ()
    stopping.release()
    assert len(going.claim(2)) == 2


def test_a_job_belongs_to_its_owner(ledger: Ledger) -> None:
    work = queue(ledger, "one")
    scan = work.add(order(1))
    assert work.find(scan.id, "owner") == scan
    assert work.find(scan.id, "somebody") is None and work.find(scan.id, "") is None


def test_what_is_cancelled_is_not_worked_on(ledger: Ledger) -> None:
    work = queue(ledger, "one")
    scan = work.add(order(3))
    (held,) = work.claim(1)
    work.cancel(scan.id)
    assert work.claim(3) == () and not work.finish(held, Scanned("0.png"))
    found = work.find(scan.id, "owner")
    assert found is not None and found.state is State.CANCELLED


def test_uploads_that_belong_to_nothing_are_removed_in_time(ledger: Ledger, tmp_path: Path) -> None:
    uploads, results, work = Uploads(str(tmp_path / "uploads")), Results(ledger, days=1), queue(ledger, "one")
    work.add(order(1))
    for name in ("a.zip", "lost.zip", "fresh.zip"):
        uploads.put(name, io.BytesIO(b"x"))
    for name in ("a.zip", "lost.zip"):
        os.utime(tmp_path / "uploads" / name, (0, 0))
    with ScanService(Runtime(load(home=tmp_path / "home", workers=1)), waiting=1) as scanning:
        ScanRunner(work, scanning, uploads, results=results, outbound=Outbound()).tidy()
    assert sorted(path.name for path in (tmp_path / "uploads").iterdir()) == ["a.zip", "fresh.zip"]
