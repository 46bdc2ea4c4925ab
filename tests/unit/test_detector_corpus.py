"""Laws of the data path: both classes alike, groups together, nothing of the file reaches the model."""

from __future__ import annotations

import csv
import io
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import UsageError
from filigrane.core.image import encode
from filigrane.detector import corpus
from filigrane.detector.corpus import Entry
from filigrane.detector.delivery import DELIVERIES, delivered, deliveries, windowed

Pixels = NDArray[np.uint8]


@pytest.fixture
def sharded(tmp_path: Path, rng: np.random.Generator) -> Path:
    rows = []
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number in range(6):
            pixels = rng.integers(0, 255, (70, 80, 3)).astype(np.uint8)
            data = encode(pixels, "png") if number else b"broken"
            member = tarfile.TarInfo(f"{number}.png")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
            rows.append({"shard": "a.tar", "file": f"{number}.png", "label": number % 2, "split": "train"})
    for row in rows:
        row |= {"source": "s", "group": f"g{row['label']}", "origin_width": 640, "origin_height": 480}
    rows[-1]["split"] = "devtest"
    with (tmp_path / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def test_shards_are_streamed_and_broken_members_left_out(sharded: Path) -> None:
    found = corpus.entries(sharded)
    assert [entry.file for entry in found] == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    assert found[0].long_side_px == 640
    streamed = dict(corpus.stream(found))
    assert {entry.file for entry in streamed} == {"1.png", "2.png", "3.png", "4.png"}
    assert all(pixels.shape == (70, 80, 3) for pixels in streamed.values())


def test_splits_are_kept_apart(sharded: Path) -> None:
    assert [entry.file for entry in corpus.entries(sharded, split="devtest")] == ["5.png"]


def test_plain_folders_are_read_by_their_names(tmp_path: Path, scene: Pixels) -> None:
    for place in ("0_real/camera", "1_fake/some-gan"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "x.png").write_bytes(encode(scene, "png"))
    found = corpus.entries(tmp_path)
    assert {(entry.label, entry.source) for entry in found} == {(0, "camera"), (1, "some-gan")}
    assert len(list(corpus.stream(found))) == 2


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no pictures"):
        corpus.entries(tmp_path)


def test_a_manifest_cannot_reach_outside_its_folder(tmp_path: Path, scene: Pixels) -> None:
    (tmp_path / "secret.png").write_bytes(encode(scene, "png"))
    inside = tmp_path / "corpus"
    inside.mkdir()
    (inside / "manifest.csv").write_text("file,label,source,group\n../secret.png,1,s,g\n")
    assert list(corpus.stream(corpus.entries(inside))) == []


@pytest.mark.parametrize("shard", ["no.tar", "broken.tar", "../outside.tar", "."])
def test_a_shard_that_cannot_be_read_is_told(tmp_path: Path, sharded: Path, shard: str) -> None:
    inside = tmp_path / "corpus"
    inside.mkdir()
    (sharded / "a.tar").rename(tmp_path / "outside.tar")
    (inside / "broken.tar").write_bytes(b"no archive")
    (inside / "manifest.csv").write_text(f"shard,file,label,source,group\n{shard},1.png,1,s,g\n")
    with pytest.raises(UsageError, match="shard"):
        list(corpus.stream(corpus.entries(inside)))


@pytest.mark.parametrize("text", ["file,label\na.png,1\n", "file,label,source,group\na.png\n", "file\n\xff"])
def test_a_manifest_without_its_columns_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="needs the columns"):
        corpus.entries(tmp_path)


def _entries(sizes: dict[tuple[int, str], int]) -> tuple[Entry, ...]:
    return tuple(
        Entry(Path(), "", f"{group}{i}", label, "s", group) for (label, group), n in sizes.items() for i in range(n)
    )


def test_classes_weigh_the_same_and_large_sources_less_than_their_size() -> None:
    chosen = _entries({(0, "big"): 64, (0, "small"): 4, (1, "only"): 5})
    weights = corpus.weights(chosen)
    by = Counter[tuple[int, str]]()
    for entry, weight in zip(chosen, weights, strict=True):
        by[entry.label, entry.group] += weight
    assert by[1, "only"] == pytest.approx(0.5)
    assert by[0, "big"] / by[0, "small"] == pytest.approx(4.0)


def test_equal_seeds_deliver_equal_pixels(scene: Pixels) -> None:
    first, second = (delivered(scene, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, second)
    assert max(first.shape[:2]) <= 192


def test_deliveries_vary_in_size_and_content(scene: Pixels, rng: np.random.Generator) -> None:
    seen = [delivered(scene, rng) for _ in range(20)]
    assert len({made.shape for made in seen}) > 3
    assert all(min(made.shape[:2]) >= 48 and made.dtype == np.uint8 for made in seen)


@pytest.mark.parametrize("name", sorted(DELIVERIES))
def test_fixed_deliveries_shrink_as_the_whole_picture_would(scene: Pixels, name: str) -> None:
    same, shrunk = DELIVERIES[name](scene, 320), DELIVERIES[name](scene, 1024)
    assert same.shape == scene.shape
    assert shrunk.shape[1] == {"clean": 320, "web": 240, "hard": 160}[name]


def test_a_whole_picture_is_brought_down_by_its_own_size(rng: np.random.Generator) -> None:
    whole = rng.integers(0, 255, (300, 1600, 3)).astype(np.uint8)
    assert {name: made.shape[1] for name, made in deliveries(whole)} == {"clean": 1600, "web": 768, "hard": 512}
    assert {name: made.shape[1] for name, made in deliveries(whole, 3200)} == {"clean": 1600, "web": 512, "hard": 512}


def test_windows_are_native(scene: Pixels) -> None:
    assert np.array_equal(windowed(scene, 100), scene[70:170, 110:210])
    assert windowed(scene, 1000).shape == scene.shape
