"""Files take their names in one step and never the name of another, with hard links and without."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from filigrane.core.files import place, write_atomically


@pytest.fixture(params=[True, False], ids=["hard links", "no hard links"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a file system of either kind."""

    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    if not request.param:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    return tmp_path


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_file_takes_a_name_that_is_free(folder: Path) -> None:
    (folder / "part").write_bytes(b"new")
    place(folder / "part", folder / "target")
    assert names(folder) == ["target"] and (folder / "target").read_bytes() == b"new"


def test_a_name_that_is_taken_stays_with_its_file(folder: Path) -> None:
    (folder / "part").write_bytes(b"new")
    (folder / "target").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        place(folder / "part", folder / "target")
    assert (folder / "target").read_bytes() == b"mine" and (folder / "part").read_bytes() == b"new"


def test_what_is_not_there_leaves_no_name_behind(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        place(folder / "part", folder / "target")
    assert names(folder) == []


def test_writing_replaces_only_where_that_is_asked_for(folder: Path) -> None:
    write_atomically(folder / "target", b"one", replace=False)
    with pytest.raises(FileExistsError):
        write_atomically(folder / "target", b"two", replace=False)
    assert (folder / "target").read_bytes() == b"one"
    write_atomically(folder / "target", b"two")
    assert names(folder) == ["target"] and (folder / "target").read_bytes() == b"two"


def test_a_device_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        write_atomically(tmp_path / "pipe", b"new")
    assert (tmp_path / "pipe").is_fifo()
