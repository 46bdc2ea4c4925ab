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
    with pytest.raises(UsageError, match="other sources"):
        Journal(tmp_path / "out", key="other", resume=True)
