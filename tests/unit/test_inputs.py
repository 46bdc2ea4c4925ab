"""From what a person names to pictures, with hostile archives held off."""

from __future__ import annotations

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


def test_a_list_names_inputs_and_can_not_name_lists(folder: Path, tmp_path: Path) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text(f"{folder / 'b.jpg'}\n\n@{listing}\n{folder / 'deep'}\n")
    assert names(f"@{listing}") == [str(folder / "b.jpg"), str(folder / "deep/er/c.webp")]


def test_a_named_file_is_looked_at_whatever_its_name(folder: Path) -> None:
    assert names(folder / "notes.txt") == [str(folder / "notes.txt")]


@pytest.mark.parametrize("text", ["nowhere.jpg", "nowhere/*.jpg", "@nowhere.txt"])
def test_an_input_that_names_nothing_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        names(text)


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


def test_the_stamp_tells_a_changed_file(folder: Path) -> None:
    item = Item(str(folder / "b.jpg"))
    before = item.stamp()
    (folder / "b.jpg").write_bytes(b"longer")
    assert item.stamp() != before
    assert Item("gone.jpg").stamp() == ""
