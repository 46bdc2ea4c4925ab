import csv
import gzip
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filigrane.core.errors import NotFound, UsageError
from filigrane.generator import data

FIELDS = ("set", "caption", "caption_color", "cls", "width", "height", "licence", "repo", "commit", "path_in_repo")


def _row(name: str, licence: str = "MIT", folder: str = "Lemon") -> dict[str, str]:
    path = f"train/{folder}/{name}.png"
    values = ("grocery-store", "", "yellow lemons", "Lemon", "9", "9", licence, "shop/Fruit", "HEAD", path)
    return dict(zip(FIELDS, values, strict=True))


def _captions(folder: Path, rows: list[dict[str, str]]) -> Path:
    path = folder / "captions.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, FIELDS)
        lines.writeheader()
        lines.writerows(rows)
    return path


def _fruit(name: str) -> dict[str, str]:
    values = ("ecustfd", "", "", "lemon", "9", "9", "none (free)", "shop/Fruit", "HEAD", f"JPEGImages/{name}.JPG")
    return dict(zip(FIELDS, values, strict=True))


def _note(*boxes: tuple[str, int, int, int, int]) -> str:
    return "".join(
        f"<object><name>{name}</name><pose>x</pose><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for name, a, b, c, d in boxes
    )


def _paint(folder: Path, name: str) -> None:
    path = folder / "train" / "Lemon" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 60), "yellow").save(path)


def test_pictures_without_a_licence_or_a_known_noun_are_left_out(tmp_path: Path) -> None:
    rows = [_row("a"), _row("b", "none"), _row("c", "unknown (a copy)"), _row("d", folder="Juice")]
    found = data.originals(_captions(tmp_path, rows))
    assert [item.path for item in found] == ["train/Lemon/a.png"]


def test_a_picture_stays_on_its_side_of_the_split_whatever_else_is_listed(tmp_path: Path) -> None:
    rows = [_row(str(number)) for number in range(200)]
    whole = {item.path: item.held_out for item in data.originals(_captions(tmp_path, rows))}
    part = {item.path: item.held_out for item in data.originals(_captions(tmp_path, rows[::3]))}
    assert part == {path: whole[path] for path in part}
    assert 15 < sum(whole.values()) < 75


def test_missing_captions_and_repositories_are_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="list of captions"):
        data.originals(tmp_path / "none.csv.gz")
    with pytest.raises(NotFound, match="clone"):
        data.pack(_captions(tmp_path, [_row("a")]), tmp_path, tmp_path / "pack")


def test_packing_keeps_what_can_be_read_and_leaves_out_the_rest(tmp_path: Path) -> None:
    repository = tmp_path / "shop+Fruit"
    _paint(repository, "a")
    (repository / "train" / "Lemon" / "b.png").write_bytes(b"no picture")
    made = data.pack(_captions(tmp_path, [_row("a"), _row("b"), _row("gone")]), tmp_path, tmp_path / "pack", size_px=32)
    assert [item.path for item in made.items] == ["train/Lemon/a.png"]
    again = data.load(tmp_path / "pack")
    assert again.items == made.items
    assert again.pixels.shape == (1, 32, 32, 3) and (again.pixels[0] == (255, 255, 0)).all()


def test_originals_are_read_from_a_git_directory_too(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    _paint(checkout, "a")
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(checkout), *command], check=True, capture_output=True)
    target = tmp_path / "shop+Fruit" / "repo"
    subprocess.run(["git", "clone", "-q", "--bare", str(checkout), str(target)], check=True, capture_output=True)
    items = data.originals(_captions(tmp_path, [_row("a"), _row("gone")]))
    read = dict(data.read_all(tmp_path, items))
    assert [item.path for item in read] == ["train/Lemon/a.png"]
    assert next(iter(read.values())) == (checkout / "train" / "Lemon" / "a.png").read_bytes()


def test_a_git_directory_without_git_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop+Fruit" / "repo").mkdir(parents=True)
    (tmp_path / "shop+Fruit" / "repo" / "HEAD").touch()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="program git"):
        list(data.read_all(tmp_path, data.originals(_captions(tmp_path, [_row("a")]))))


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (64, 64)])
def test_any_picture_becomes_a_square_on_white(size: tuple[int, int]) -> None:
    see_through = Image.new("RGBA", size, (255, 0, 0, 0))
    square = data.squared(see_through, 48)
    assert square.shape == (48, 48, 3) and np.all(square == 255)


def test_a_piece_of_fruit_is_cut_out_by_its_box_and_the_coin_beside_it_left(tmp_path: Path) -> None:
    repository = tmp_path / "shop+Fruit"
    for folder in ("JPEGImages", "Annotations"):
        (repository / folder).mkdir(parents=True)
    picture = Image.new("RGB", (200, 100), "white")
    picture.paste("yellow", (120, 20, 180, 80))
    for name in ("lemon001S(1)", "lemon001T(1)"):
        picture.save(repository / "JPEGImages" / f"{name}.JPG", "PNG")
    note = _note(("coin", 0, 0, 100, 100), ("lemon", 120, 20, 180, 80))
    (repository / "Annotations" / "lemon001S(1).xml").write_text(note)
    (repository / "Annotations" / "lemon001T(1).xml").write_text("<object><name>lemon</name><bndbox></bndbox>")
    rows = [_fruit("lemon001S(1)"), _fruit("lemon001T(1)")]
    made = data.pack(_captions(tmp_path, rows), tmp_path, tmp_path / "pack", size_px=32)
    assert [item.path for item in made.items] == ["JPEGImages/lemon001S(1).JPG"]
    assert made.items[0].licence == "none"
    assert (made.pixels[0, 6:26, 6:26] == (255, 255, 0)).all() and made.pixels[0, 0].min() > 250


def test_all_pictures_of_one_piece_of_fruit_lie_on_one_side_of_the_split(tmp_path: Path) -> None:
    rows = [_fruit(f"lemon{piece:03}{view}({number})") for piece in range(40) for view in "ST" for number in (1, 2)]
    sides: dict[str, set[bool]] = {}
    for item in data.originals(_captions(tmp_path, rows)):
        sides.setdefault(item.path[:19], set()).add(item.held_out)
    assert len(sides) == 40 and all(len(side) == 1 for side in sides.values())
    assert {True, False} == set.union(*sides.values())


def test_of_a_heap_the_middle_is_kept(tmp_path: Path) -> None:
    heap = Image.new("RGB", (100, 100), "white")
    heap.paste("red", (22, 22, 78, 78))
    item = data.originals(_captions(tmp_path, [_row("a")]))[0]
    assert (data.squared(data.framed(heap, item, None), 16) == (255, 0, 0)).all()
