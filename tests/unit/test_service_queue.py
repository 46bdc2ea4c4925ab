"""Laws of the queue of scans: each picture once, whoever dies."""

from __future__ import annotations

import io
import os
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import IO

import pytest

from filigrane.app.inputs import Item
from filigrane.app.records import Record, to_record
from filigrane.app.runtime import Runtime
from filigrane.app.scan import Scanned
from filigrane.app.serving import runner as running
from filigrane.app.serving.line import Busy
from filigrane.app.serving.outbound import Outbound
from filigrane.app.serving.queue import MAX_TRIES, Kind, Leased, Order, ScanQueue, State
from filigrane.app.serving.results import Results
from filigrane.app.serving.runner import ScanRunner
from filigrane.app.serving.scanning import ScanService
from filigrane.app.serving.tables import Ledger
from filigrane.app.serving.uploads import Uploads
from filigrane.core.settings import load
from filigrane.service.testing import noise

SEEN = to_record(Scanned("0.png"))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "home")
    yield opened
    opened.close()


def queue(ledger: Ledger, worker: str, lease_s: float = 30.0) -> ScanQueue:
    return ScanQueue(ledger, worker=worker, lease_s=lease_s)


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
    assert not dead.finish(lost, SEEN)
    assert alive.finish(taken, SEEN)
    assert not alive.finish(taken, SEEN)
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
        work.finish(item, to_record(Scanned(item.member)))
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


def test_a_picture_given_back_is_as_if_never_claimed(ledger: Ledger) -> None:
    busy, free = queue(ledger, "busy"), queue(ledger, "free")
    busy.add(order(1))
    for _ in range(2 * MAX_TRIES):
        (held,) = busy.claim(1)
        busy.put_back(held)
    (taken,) = free.claim(1)
    busy.put_back(held)  # no longer theirs to give
    assert free.finish(taken, SEEN)


def test_only_what_is_in_hand_is_held_on_to(ledger: Ledger) -> None:
    one, other = queue(ledger, "one", lease_s=0.2), queue(ledger, "other")
    one.add(order(2))
    held, _ = one.claim(2)
    time.sleep(0.15)
    one.renew(held)
    time.sleep(0.1)
    assert [item.position for item in other.claim(2)] == [1]


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
    assert work.claim(3) == () and not work.finish(held, SEEN)
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


class Stumbling(ScanQueue):
    """A queue whose database is away for the first ``failures`` records."""

    failures = 2

    def finish(self, item: Leased, record: Record) -> bool:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the database is away")
        return super().finish(item, record)


class Moody(ScanService):
    """Has no room at first, then comes to grief with one picture; looks at the others."""

    asked = 0

    def submit(self, item: Item) -> Future[Scanned]:
        self.asked += 1
        if self.asked <= 2:
            raise Busy(retry_after_s=1)
        if item.member != "1.png":
            return super().submit(item)
        failed: Future[Scanned] = Future()
        failed.set_exception(ValueError("a bug"))
        return failed


def test_a_job_ends_whatever_happens_on_the_way(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_IDLE_S", 0.02)
    uploads, results = Uploads(str(tmp_path / "uploads")), Results(ledger, days=1)
    work = Stumbling(ledger, worker="one", lease_s=0.3)
    with uploads.writing("a.zip") as stream, zipfile.ZipFile(stream, "w") as archive:
        for number in range(4):
            archive.writestr(f"{number}.png", noise(number, 16))
    scan = work.add(order(4))
    runtime = Runtime(load(home=tmp_path / "home", workers=2), sources=("metadata",))
    with Moody(runtime) as scanning:
        runner = ScanRunner(work, scanning, uploads, results=results, outbound=Outbound())
        runner.start()
        deadline = time.monotonic() + 20
        while (found := work.find(scan.id, "owner")) and found.state is State.RUNNING and time.monotonic() < deadline:
            time.sleep(0.02)
        runner.close()
    assert found is not None and (found.done, found.unreadable, found.state) == (4, 1, State.DONE)
    told = {record["path"]: record["error"] for _, record in work.records(scan.id)}
    assert [name for name, error in told.items() if error] == ["1.png"] and "a bug" not in str(told)


def test_a_thread_that_meets_a_bug_goes_on(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_IDLE_S", 0.01)
    tried = threading.Semaphore(0)

    def fail(_: object) -> tuple[object, ...]:
        tried.release()
        raise KeyError("a bug")

    monkeypatch.setattr(ScanQueue, "finished_archives", fail)
    monkeypatch.setattr(ScanQueue, "claim", lambda self, count: fail(self))
    uploads, results = Uploads(str(tmp_path / "uploads")), Results(ledger, days=1)
    with ScanService(Runtime(load(home=tmp_path / "home", workers=1))) as scanning:
        runner = ScanRunner(queue(ledger, "one"), scanning, uploads, results=results, outbound=Outbound())
        runner.start()
        assert all(tried.acquire(timeout=5) for _ in range(6))
        runner.close()


def test_an_archive_far_away_is_fetched_once_while_its_pictures_are_looked_at(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched, fetch = [], Uploads._fetched

    def counted(self: Uploads, name: str) -> IO[bytes]:
        fetched.append(fetch(self, name))
        return fetched[-1]

    monkeypatch.setattr(Uploads, "_fetched", counted)
    uploads, results, work = Uploads("memory://filigrane-copies"), Results(ledger, days=1), queue(ledger, "one")
    with uploads.writing("a.zip") as stream, zipfile.ZipFile(stream, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.png", noise(number, 16))
    scan = work.add(order(3))
    with ScanService(Runtime(load(home=tmp_path / "home", workers=1), sources=("metadata",))) as scanning:
        runner = ScanRunner(work, scanning, uploads, results=results, outbound=Outbound())
        runner.start()
        deadline = time.monotonic() + 20
        while (found := work.find(scan.id, "owner")) and found.state is State.RUNNING and time.monotonic() < deadline:
            time.sleep(0.02)
        runner.close()
    assert found is not None and (found.done, found.unreadable) == (3, 0)
    assert len(fetched) == 1 and not Path(fetched[0].name).exists()
    uploads.remove("a.zip")
    uploads.remove("a.zip")


def test_what_can_not_be_written_whole_leaves_nothing(tmp_path: Path) -> None:
    uploads = Uploads(str(tmp_path / "uploads"))
    with pytest.raises(KeyError), uploads.writing("a.zip") as target:
        target.write(b"half")
        raise KeyError
    assert list((tmp_path / "uploads").iterdir()) == []
