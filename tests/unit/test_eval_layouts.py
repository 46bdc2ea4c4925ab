"""What layouts make of what is not as published: folders, lists, tables and shards with faults, told in words."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from filigrane.core.errors import LimitExceeded, UnreadableInput
from filigrane.core.image import Limits
from filigrane.eval.base import Counted, Fault, Sample, benchmark

Told = list[Fault]


def _png(seed: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _tree(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_png(number))


def _table(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _parquet(path: Path, columns: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(dict(columns)), path)


def _shard(path: Path, contents: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in contents.items():
            item = tarfile.TarInfo(name)
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data))


def _load(name: str, root: Path, split: str = "") -> tuple[list[Sample], Told]:
    told: Told = []
    return list(benchmark(name, root).samples(split, told.append)), told


def test_folders_that_say_nothing_are_told_once_with_their_count(tmp_path: Path) -> None:
    _tree(tmp_path, "flux/1_fake/a.png", "flux/0_real/b.png", "extra/c.png", "extra/d.png")
    samples, told = _load("folder", tmp_path)
    assert len(samples) == 2
    assert [fault.where for fault in told] == ["extra"]
    assert "2 pictures" in told[0].explanation


def test_words_beat_numbers_and_contradictions_are_told(tmp_path: Path) -> None:
    _tree(tmp_path, "real/1/a.png", "real/0_real/b.png", "flux/fake/0/c.png", "1/d.png", "0/e.png")
    _tree(tmp_path, "fake/human/f.png", "0/1/g.png")
    samples, told = _load("folder", tmp_path)
    assert {sample.id: sample.label for sample in samples} == {
        "real/1/a.png": 0,
        "real/0_real/b.png": 0,
        "flux/fake/0/c.png": 1,
        "1/d.png": 1,
        "0/e.png": 0,
    }
    assert sorted(fault.where for fault in told) == ["0/1", "fake/human"]
    assert all("contradict" in fault.explanation for fault in told)


def test_pictures_that_are_called_alike_in_two_places_stay_apart(tmp_path: Path) -> None:
    for place in ("a", "b"):
        _tree(tmp_path, f"lists/{place}/x.png")
        _table(tmp_path / f"lists/{place}/list.csv", [{"image": "x.png", "class": "1", "split": "test"}])
        columns = {"image": [_png()], "label": ["real"], "prompt": [""], "model": [""]}
        _parquet(tmp_path / f"tables/{place}/test-0.parquet", columns)
        _shard(tmp_path / f"shards/{place}/0.tar", {"x.png": _png(), "x.cls": b"1"})
    for name, folder in (("spai", "lists"), ("openfake", "tables"), ("webdataset", "shards")):
        samples, _ = _load(name, tmp_path / folder)
        assert len({sample.id for sample in samples}) == len(samples) == 2


def test_nothing_is_no_group_and_a_soft_label_no_label(tmp_path: Path) -> None:
    labels = [0.0, 1.0, 0.7, float("nan")]
    images = [{"bytes": _png(i), "path": None} for i in range(4)]
    _parquet(tmp_path / "table/train-0.parquet", {"image": images, "label": labels, "group": [None, "g", "g", "g"]})
    samples, told = _load("huggingface", tmp_path / "table")
    assert [(sample.label, sample.group) for sample in samples] == [(0, ""), (1, "g")]
    assert len(told) == 1
    _tree(tmp_path, "folder/a.png")
    line = {"file_name": "a.png", "label": 1, "group": None, "model": None}
    (tmp_path / "folder/metadata.jsonl").write_text(json.dumps(line))
    samples, _ = _load("huggingface", tmp_path / "folder")
    assert [(sample.label, sample.group, sample.generator) for sample in samples] == [(1, "", "")]


def test_rows_of_tables_are_counted_without_their_pictures(tmp_path: Path) -> None:
    _parquet(tmp_path / "core/test-0.parquet", {"image": [_png(i) for i in range(3)], "label": ["real"] * 3})
    (tmp_path / "core/train-0.parquet").write_bytes(b"PAR1 but not really")
    for name, split, count in (("openfake", "", 3), ("openfake", "test", 3), ("openfake", "val", 0)):
        found = benchmark(name, tmp_path)
        assert isinstance(found, Counted)
        assert found.count(split) == count
    _tree(tmp_path, "folder/real/a.png")
    other = benchmark("huggingface", tmp_path / "folder")
    assert isinstance(other, Counted) and other.count("") is None


@pytest.mark.parametrize("content", ["[]", "[1]", "3", "null"])
def test_a_list_of_another_kind_is_told(content: str, tmp_path: Path) -> None:
    (tmp_path / "dataset_json").mkdir()
    (tmp_path / "dataset_json/x.json").write_text(content)
    samples, told = _load("deepfakebench", tmp_path)
    assert not samples
    assert [fault.where for fault in told] == ["x.json"]


def test_short_rows_are_told(tmp_path: Path) -> None:
    _shard(tmp_path / "test-00.tar", {"a.png": _png()})
    (tmp_path / "manifest.csv").write_text("shard,file,label\ntest-00.tar,a.png,1\ntest-00.tar,a.png\ntest-00.tar\n")
    samples, told = _load("webdataset", tmp_path)
    assert [sample.id for sample in samples] == ["test-00.tar!a.png"]
    assert len(told) == 2


def test_lists_cannot_lead_out_of_their_folder(tmp_path: Path) -> None:
    _tree(tmp_path, "secret.png", "set/a.png")
    entries = [{"path": p, "label": 1} for p in ("../secret.png", r"..\secret.png", "C:/secret.png", "a.png")]
    (tmp_path / "set/list.json").write_text(json.dumps(entries))
    samples, told = _load("forensichub", tmp_path / "set")
    assert [sample.id for sample in samples] == ["a.png"]
    assert sum("leads out" in fault.explanation for fault in told) == 3


def test_many_missing_files_are_counted_not_listed(tmp_path: Path) -> None:
    _table(tmp_path / "list.csv", [{"image": f"{i}.png", "class": "1", "split": "test"} for i in range(100)])
    samples, told = _load("spai", tmp_path)
    assert not samples
    assert len(told) < 10
    assert "100 entries" in told[-1].explanation


def test_damaged_lists_are_errors_that_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[" * 100_000)
    with pytest.raises(UnreadableInput, match=r"list\.json"):
        _load("forensichub", tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(UnreadableInput, match=r"x\.parquet"):
        _load("openfake", tmp_path)
    (tmp_path / "x.tar").write_bytes(b"\x1f\x8b\x08 gzip")
    with pytest.raises(UnreadableInput, match=r"x\.tar"):
        _load("webdataset", tmp_path)


def test_rows_without_picture_or_label_are_passed_over(tmp_path: Path) -> None:
    columns = {"image_data": [None, _png(), _png()], "label": [1, None, 0], "model_name": ["a", "b", ""]}
    _parquet(tmp_path / "test-0.parquet", columns)
    samples, told = _load("communityforensics", tmp_path)
    assert [sample.label for sample in samples] == [0]
    assert "holds no picture" in told[0].explanation


def test_saved_to_disk_and_picture_folders_load_like_parquet(tmp_path: Path) -> None:
    arrow = tmp_path / "arrow/test"
    arrow.mkdir(parents=True)
    table = pyarrow.table(
        {"image": [{"bytes": _png(i), "path": None} for i in range(3)], "label": ["real", "fake", "fake"]}
    )
    with pyarrow.ipc.new_stream(str(arrow / "data-00000-of-00001.arrow"), table.schema) as stream:
        stream.write_table(table)
    counted = benchmark("huggingface", tmp_path / "arrow")
    assert isinstance(counted, Counted) and counted.count("test") == 3
    samples, _ = _load("huggingface", tmp_path / "arrow", "test")
    assert [sample.label for sample in samples] == [0, 1, 1]
    _tree(tmp_path / "folder/test", "a.png", "b.png")
    lines = [{"file_name": "a.png", "label": "real"}, {"file_name": "b.png", "label": "fake", "model": "sdxl"}]
    (tmp_path / "folder/test/metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    samples, _ = _load("huggingface", tmp_path / "folder", "test")
    assert [(sample.label, sample.generator) for sample in samples] == [(0, ""), (1, "sdxl")]


def test_shards_may_describe_their_pictures_themselves(tmp_path: Path) -> None:
    contents = {"a.png": _png(), "a.cls": b"0", "b.png": _png(1), "b.json": b'{"label": "fake", "generator": "flux"}'}
    _shard(tmp_path / "test-000.tar", {**contents, "c.png": _png(2)})
    samples, told = _load("webdataset", tmp_path, "test")
    assert [(sample.label, sample.generator) for sample in samples] == [(0, ""), (1, "flux")]
    assert samples[1].read(Limits()) == contents["b.png"]
    assert "1 pictures passed over" in told[0].explanation
    with pytest.raises(LimitExceeded):
        samples[0].read(Limits(max_bytes=10))
