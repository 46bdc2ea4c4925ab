"""From what a person names to pictures, with hostile archives held off."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from filigrane.app.inputs import Item, expand
from filigrane.core.errors import LimitExceeded, UnreadableInput, UsageError
from filigrane.core.settings import Settings

LIMIT = 10_000


def names(*inputs: object, exclude: tuple[str, ...] = ()) -> list[str]:
    return [item.name for item in expand(map(str, inputs), exclude=exclude, max_bytes=LIMIT)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.PNG", "notes.txt", "deep/er/c.webp"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "in"


def test_a_folder_gives_its_pictures_in_a_stable_order(folder: Path) -> None:
    assert names(folder) == [str(folder / name) for name in ("a.PNG", "b.jpg", "deep/er/c.webp")]


def test_each_path_comes_once(folder: Path) -> None:
    assert len(names(folder, folder / "b.jpg", folder / "*.jpg")) == 3


def test_patterns_and_excludes(folder: Path) -> None:
    assert names(f"{folder}/**/*.webp") == [str(folder / "deep/er/c.webp")]
    assert names(folder, exclude=("*.jpg", "*/deep/*")) == [str(folder / "a.PNG")]


def test_a_list_names_paths_and_a_line_that_names_nothing_does_not_stop_the_rest(folder: Path, tmp_path: Path) -> None:
    listing = tmp_path / "list.txt"
    odd = folder / "caf\udce9.jpg"
    odd.write_bytes(b"x")
    listing.write_bytes(
        os.fsencode(f"{folder / 'b.jpg'}\n\n@{listing}\n-\n{folder / 'gone.jpg'}\n{odd}\n{folder / 'deep'}\n")
    )
    items = list(expand([f"@{listing}"], max_bytes=LIMIT))
    assert [item.name for item in items if not item.problem] == [
        str(folder / "b.jpg"),
        str(odd),
        str(folder / "deep/er/c.webp"),
    ]
    assert [item.name for item in items if item.problem] == [f"@{listing}", "-", str(folder / "gone.jpg")]
    with pytest.raises(UnreadableInput, match=r"gone\.jpg"):
        items[3].read(Settings())


def test_a_named_file_is_looked_at_whatever_its_name(folder: Path) -> None:
    assert names(folder / "notes.txt") == [str(folder / "notes.txt")]


@pytest.mark.parametrize("text", ["nowhere.jpg", "nowhere/*.jpg", "@nowhere.txt"])
def test_an_input_that_names_nothing_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        names(text)


def test_an_empty_name_is_not_the_folder_one_is_in() -> None:
    with pytest.raises(UsageError, match="empty name"):
        names("")


def test_links_to_folders_are_not_followed(folder: Path) -> None:
    (folder / "loop").symlink_to(folder)
    assert len(names(folder)) == 3


def pack(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)
    return path


def test_members_of_a_zip_are_read(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", a_jpg=b"first", b_txt=b"no", c_zip=b"PK")
    items = list(expand([str(archive)], max_bytes=LIMIT))
    assert [item.name for item in items] == [f"{archive}!a.jpg"]
    assert items[0].read(Settings()) == b"first"


def test_a_bomb_in_a_zip_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", a_jpg=b"\0" * 5_000_000)
    (item,) = expand([str(archive)], max_bytes=LIMIT)
    with pytest.raises(LimitExceeded, match=r"a\.jpg"):
        item.read(Settings())


def test_a_lying_zip_header_does_not_unpack_more_than_the_limit(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", a_jpg=bytes(range(256)) * 100)
    (item,) = expand([str(archive)], max_bytes=LIMIT)
    with pytest.raises(LimitExceeded, match="over the limit"):
        item.read(Settings(max_bytes=1000))


def test_a_broken_zip_is_one_sentence(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", a_jpg=bytes(range(256)))
    data = bytearray(archive.read_bytes())
    data[45:60] = b"\xff" * 15
    archive.write_bytes(data)
    (item,) = expand([str(archive)], max_bytes=LIMIT)
    with pytest.raises(UnreadableInput, match=r"a\.jpg can't be read"):
        item.read(Settings())


def test_damaged_deflate_data_is_one_sentence(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", a_jpg=b"law " * 1000)
    data = bytearray(archive.read_bytes())
    data[30 + len("a.jpg")] = 0xFF  # the first block, right behind the local header, is of no known type
    archive.write_bytes(data)
    (item,) = expand([str(archive)], max_bytes=LIMIT)
    with pytest.raises(UnreadableInput, match="intact zip"):
        item.read(Settings())


def test_a_broken_archive_does_not_stop_a_folder(folder: Path) -> None:
    archive = pack(folder / "a.zip", a_jpg=b"first")
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"PK\x01\x02", b"PK\xff\xff"))
    (broken,) = (item for item in expand([str(folder)], max_bytes=LIMIT) if item.problem)
    assert broken.name == str(archive)
    assert len(names(folder)) == 4


def test_a_folder_that_can_not_be_listed_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    (lost,) = (item for item in expand([str(folder)], max_bytes=LIMIT) if item.problem)
    assert "Permission denied" in lost.problem
    assert len(names(folder)) == 3


def test_the_directory_of_an_archive_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path / "x.zip", **{f"n{number}_jpg": b"x" for number in range(20)})
    items, opened = list(expand([str(archive)], max_bytes=LIMIT)), []
    opening = zipfile.ZipFile.__init__

    def counting(self: zipfile.ZipFile, file: str) -> None:
        opened.append(file)
        opening(self, file)

    monkeypatch.setattr(zipfile.ZipFile, "__init__", counting)
    assert {item.read(Settings()) for item in items} == {b"x"}
    assert len(opened) == 1


def test_the_stamp_tells_a_changed_file(folder: Path) -> None:
    item = Item(str(folder / "b.jpg"))
    before = item.stamp()
    (folder / "b.jpg").write_bytes(b"longer")
    assert item.stamp() != before
    assert Item("gone.jpg").stamp() == ""
