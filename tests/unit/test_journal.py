"""A killed scan loses nothing and repeats nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from filigrane.app.journal import Journal
from filigrane.core.errors import UsageError


def write(output: Path, names: list[str]) -> None:
    with Journal(output, key="k", resume=False) as journal:
        for name in names:
            journal.add(name, "1", {"path": name})


def test_what_was_written_is_there_on_resuming(tmp_path: Path) -> None:
    write(tmp_path / "out", ["a", "b"])
    with Journal(tmp_path / "out", key="k", resume=True) as journal:
        assert len(journal) == 2
        assert journal.has("a", "1")
        assert not journal.has("a", "2")
        assert not journal.has("c", "1")
        journal.add("c", "1", {"path": "c"})
        assert [record["path"] for record in journal.records()] == ["a", "b", "c"]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_dropped(tmp_path: Path, cut: int) -> None:
    write(tmp_path / "out", ["a", "b"])
    path = tmp_path / "out.journal"
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(tmp_path / "out", key="k", resume=True) as journal:
        assert journal.has("a", "1")
        assert not journal.has("b", "1")
        journal.add("b", "1", {"path": "b"})
        assert [record["path"] for record in journal.records()] == ["a", "b"]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_file_that_changed_is_reported_as_it_is_now(tmp_path: Path) -> None:
    write(tmp_path / "out", ["a"])
    with Journal(tmp_path / "out", key="k", resume=True) as journal:
        journal.add("a", "2", {"path": "a", "new": True})
        assert list(journal.records()) == [{"path": "a", "new": True}]


def test_an_unfinished_scan_is_never_overwritten_or_mixed(tmp_path: Path) -> None:
    write(tmp_path / "out", ["a"])
    with pytest.raises(UsageError, match="--resume"):
        Journal(tmp_path / "out", key="k", resume=False)
    with pytest.raises(UsageError, match="other inputs"):
        Journal(tmp_path / "out", key="other", resume=True)


@pytest.mark.parametrize("content", [b"no journal\n", b"[]\n", b"\xff\xfe\n", b'{"journal": "k"}\n{"name": "a"}\n'])
def test_what_is_no_journal_is_one_sentence_and_stays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "out.journal").write_bytes(content)
    with pytest.raises(UsageError, match="damaged"):
        Journal(tmp_path / "out", key="k", resume=True)
    assert (tmp_path / "out.journal").read_bytes() == content


def test_two_scans_never_write_one_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "out", key="k", resume=False) as journal:
        journal.add("a", "1", {})
        with pytest.raises(UsageError, match="Another scan"):
            Journal(tmp_path / "out", key="k", resume=True)
        journal.add("b", "1", {})
        assert len(list(journal.records())) == 2


def test_a_scan_that_finished_nothing_leaves_no_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "out", key="k", resume=False):
        assert (tmp_path / "out.journal").exists()
    assert not (tmp_path / "out.journal").exists()


def test_names_that_are_no_text_come_back_as_they_were(tmp_path: Path) -> None:
    write(tmp_path / "out", ["caf\udce9.jpg"])
    with Journal(tmp_path / "out", key="k", resume=True) as journal:
        assert journal.has("caf\udce9.jpg", "1")
