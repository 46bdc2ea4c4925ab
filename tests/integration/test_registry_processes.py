"""Several processes write into one registry at once, one of them dies: nothing is lost, no id is given twice."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from filigrane.core.errors import UsageError
from filigrane.provenance.fingerprint import Fingerprint
from filigrane.provenance.registry import Event, IssuedMark, Registry

WRITER = """
import os, sys
from datetime import UTC, datetime
from datetime import UTC, datetime
from pathlib import Path
from filigrane.provenance.fingerprint import Fingerprint
from filigrane.provenance.registry import IssuedMark, Registry

home, url, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with Registry.open(home, url) as registry:
    for _ in range(count):
        number = registry.reserve()
        print("reserved", number, flush=True)
        registry.issue(IssuedMark(
            id=number, alg="a", key_id="k", manifest_id=f"urn:{number:x}", manifest=os.urandom(9000),
            sha256=f"{number:064x}", original_sha256="0" * 64, look=Fingerprint(os.urandom(32), bytes(3072), 64, 48),
            format="png", created_at=datetime.now(UTC),
        ))
        print("issued", number, flush=True)
"""


def start(home: Path, url: str, count: int, log: Path) -> subprocess.Popen[bytes]:
    """A process that writes ``count`` marks and says so in ``log``, line by line."""
    with log.open("wb") as stream:
        return subprocess.Popen([sys.executable, "-P", "-c", WRITER, str(home), url, str(count)], stdout=stream)


def said(log: Path, word: str) -> list[int]:
    """The ids that a process said it had reserved or issued, its torn last line left out."""
    lines = [line.split() for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [int(number) for verb, number in lines if verb == word]


def write_together(home: Path, url: str, count: int, *, kill_after: int = 0) -> list[Path]:
    """Four processes of ``count`` marks each; the last is killed once it has issued ``kill_after`` marks, if any."""
    home.mkdir(exist_ok=True)
    logs = [home / f"log-{number}" for number in range(4)]
    processes = [start(home, url, count, log) for log in logs]
    while kill_after and processes[-1].poll() is None:
        if len(said(logs[-1], "issued")) >= kill_after:
            processes[-1].kill()
            break
        time.sleep(0.002)
    codes = [process.wait() for process in processes]
    assert codes == [0, 0, 0, -9 if kill_after else 0]
    return logs


def check(home: Path, url: str, logs: list[Path]) -> int:
    """Assert that nothing is lost, doubled or halved; the number of marks."""
    claimed = [number for log in logs for number in said(log, "issued")]
    reserved = [number for log in logs for number in said(log, "reserved")]
    with Registry.open(home, url) as registry:
        marks = {mark.id: mark for mark in registry.export()}
        audit = registry.audit()
        assert all(registry.find_by_sha256(f"{number:064x}") == marks[number] for number in claimed[::50])
        assert all(registry.nearest(mark.look.bits)[0] == mark for mark in list(marks.values())[::50])
    assert len(set(reserved)) == len(reserved)
    assert set(claimed) <= set(marks)
    assert len(set(marks) - set(claimed)) <= 1, "only the killed process may have been stopped before it spoke"
    issued = [entry.mark for entry in audit if entry.event is Event.ISSUED]
    assert sorted(issued) == sorted(marks)
    assert {entry.mark for entry in audit if entry.event is Event.RESERVED} >= set(marks) | set(reserved)
    return len(marks)


def test_four_processes_start_together_and_lose_nothing(tmp_path: Path, registry_url: str) -> None:
    logs = write_together(tmp_path / "home", registry_url, 25)
    assert check(tmp_path / "home", registry_url, logs) == 100


def test_a_killed_process_leaves_no_half_mark(tmp_path: Path, registry_url: str) -> None:
    logs = write_together(tmp_path / "home", registry_url, 40, kill_after=10)
    assert 130 <= check(tmp_path / "home", registry_url, logs) < 160


@pytest.mark.slow
def test_five_thousand_marks_and_one_killed_in_the_middle(tmp_path: Path, registry_url: str) -> None:
    logs = write_together(tmp_path / "home", registry_url, 1430, kill_after=715)
    assert 5000 <= check(tmp_path / "home", registry_url, logs) < 5720


def test_the_laws_hold_in_postgresql_too(tmp_path: Path, postgresql: str) -> None:
    with Registry.open(tmp_path, postgresql) as registry:
        number = registry.reserve()
        mark = IssuedMark(
            id=number,
            alg="a",
            key_id="k",
            manifest_id="urn:x",
            manifest=b"store",
            sha256="1" * 64,
            original_sha256="0" * 64,
            look=Fingerprint(bytes(range(32)), b"\x07", 1, 1),
            format="png",
            created_at=datetime.now(UTC),
        )
        registry.issue(mark)
        assert registry.find(number) == registry.find_by_manifest("urn:x") == mark
        assert registry.nearest(bytes(range(32))) == (mark,)
        with pytest.raises(UsageError, match="issued before"):
            registry.issue(mark)
        registry.revoke(number, "why")
        assert [entry.event for entry in registry.audit(number)] == [Event.RESERVED, Event.ISSUED, Event.REVOKED]


@pytest.mark.parametrize("statement", ["UPDATE marks SET title = ''", "DELETE FROM audit", "TRUNCATE looks"])
def test_postgresql_itself_refuses_changes(tmp_path: Path, postgresql: str, statement: str) -> None:
    Registry.open(tmp_path, postgresql).close()
    engine = sa.create_engine(postgresql.replace("postgresql:", "postgresql+psycopg:"))
    with pytest.raises(sa.exc.DBAPIError, match="never changed"), engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()
