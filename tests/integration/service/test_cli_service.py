"""The commands around the service: what they say when something is wrong, and who vouches for a report."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from filigrane.app.inputs import Item
from filigrane.app.keys import init_keys
from filigrane.app.records import to_record
from filigrane.app.runtime import Runtime
from filigrane.app.scan import scan_items
from filigrane.app.serving import reports
from filigrane.cli.main import main
from filigrane.core.settings import load
from filigrane.provenance.certificates import Algorithm, Holder
from filigrane.service.testing import noise

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("FILIGRANE_SERVICE_DATABASE_URL", "postgresql://a@127.0.0.1:1/b", 4),
        ("FILIGRANE_SERVICE_DATABASE_URL", "no address", 2),
        ("FILIGRANE_REGISTRY_URL", "mysql://a/b", 2),
        ("FILIGRANE_SERVICE_UPLOADS_URL", "nowhere://a/b", 2),
    ],
)
def test_a_server_that_lacks_what_it_needs_says_so_and_does_not_start(
    name: str, value: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["serve", "--port", "0"]) == code
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1
    assert ("service's database" in said.err) == ("DATABASE" in name)


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 4
    said = capsys.readouterr()
    assert said.out == "" and str(port) in said.err and len(said.err.splitlines()) == 1


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report on a.png beside it, signed with the key of the home folder."""
    settings = load(workers=1)
    init_keys(settings, Holder("Newsroom"), algorithm=Algorithm.ED25519)
    (tmp_path / "a.png").write_bytes(noise())
    runtime = Runtime(settings)
    ((_, scanned),) = scan_items([Item(str(tmp_path / "a.png"))], runtime)
    record = to_record(scanned) | {"replay": reports.replay(scanned, runtime)}
    signed = reports.sign(reports.compose("det_1", datetime.now(UTC), record), settings)
    (tmp_path / "report.json").write_text(json.dumps(signed))
    return tmp_path / "report.json"


def test_a_report_of_ones_own_is_vouched_for_and_replayed(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "check", str(report), "--picture", str(report.with_name("a.png"))]) == 0
    said = capsys.readouterr().out
    assert "An authority vouches" in said and "the same" in said


def test_a_report_by_a_certificate_of_nobody_known_says_so(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FILIGRANE_HOME", str(tmp_path / "a reader"))
    assert main(["report", "check", str(report)]) == 0
    said = capsys.readouterr().out
    assert "Newsroom" in said and "No authority known here vouches" in said


def test_a_report_on_a_picture_that_is_not_there_is_no_difference_but_an_error(
    report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "check", str(report), "--picture", str(report.with_name("b.png"))]) == 3
    said = capsys.readouterr()
    assert "b.png" in said.err and "differs" not in said.out


def test_a_report_keeps_what_was_in_force_when_the_picture_was_looked_at(
    report: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILIGRANE_PRIOR", "0.2")
    assert main(["report", "check", str(report), "--picture", str(report.with_name("a.png"))]) == 1
    assert "prior or thresholds are others" in capsys.readouterr().out
