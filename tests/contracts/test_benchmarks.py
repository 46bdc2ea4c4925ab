"""Every benchmark layout loads unchanged from a small tree made exactly as its authors publish it."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from filigrane.core import plugins
from filigrane.core.errors import UsageError
from filigrane.core.image import Limits, decode
from filigrane.eval.base import BENCHMARKS, Fault, Sample, benchmark, ignore

Told = list[Fault]
Expected = Counter[tuple[int, str]]
"""How many pictures of each label and generator a tree holds."""


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


def _parquet(path: Path, columns: Mapping[str, object], names: list[str] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table(dict(columns))
    if names:
        features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    pyarrow.parquet.write_table(table, path)


def _cnndetection(root: Path) -> Expected:
    _tree(root, "test/progan/cat/0_real/a.png", "test/progan/cat/1_fake/b.png", "test/progan/dog/1_fake/c.png")
    _tree(root, "test/deepfake/0_real/a.png", "test/deepfake/1_fake/b.png")
    return Counter({(0, ""): 2, (1, "progan"): 2, (1, "deepfake"): 1})


def _suites(root: Path) -> Expected:
    _tree(root, "Ojha/ldm_200/0_real/a.png", "Ojha/ldm_200/1_fake/b.png", "Tan/AttGAN/1_fake/c.png")
    return Counter({(0, ""): 1, (1, "ldm_200"): 1, (1, "AttGAN"): 1})


def _univfd(root: Path) -> Expected:
    start = "diffusion_datasets"
    _tree(root, f"{start}/imagenet/0_real/a.png", f"{start}/laion/0_real/b.png", f"{start}/guided/1_fake/c.png")
    _tree(root, f"{start}/ldm_100/1_fake/d.png", f"{start}/glide_100_10/e.png")
    return Counter({(0, ""): 2, (1, "guided"): 1, (1, "ldm_100"): 1, (1, "glide_100_10"): 1})


def _aigcdetect(root: Path) -> Expected:
    _tree(root, "ADM/0_real/a.png", "ADM/1_fake/b.png", "cyclegan/horse/0_real/c.png", "cyclegan/horse/1_fake/d.png")
    return Counter({(0, ""): 2, (1, "ADM"): 1, (1, "cyclegan"): 1})


def _genimage(root: Path) -> Expected:
    start = "Stable Diffusion V1.4"
    _tree(root, f"{start}/train/ai/a.png", f"{start}/train/nature/b.JPEG", f"{start}/val/ai/c.png")
    _tree(root, "Midjourney/val/ai/a.png", "Midjourney/val/nature/b.JPEG")
    return Counter({(0, ""): 2, (1, start): 2, (1, "Midjourney"): 1})


def _diffusionforensics(root: Path) -> Expected:
    _tree(root, "images/train/lsun_bedroom/real/a.png", "images/train/lsun_bedroom/adm/b.png")
    _tree(root, "images/test/imagenet/n01440764/real/c.png", "images/test/imagenet/n01440764/sdv1/d.png")
    return Counter({(0, ""): 2, (1, "adm"): 1, (1, "sdv1"): 1})


def _wildrf(root: Path) -> Expected:
    _tree(root, "test/reddit/0_real/a.png", "test/reddit/1_fake/b.jpg", "test/twitter/1_fake/c.jpg")
    return Counter({(0, ""): 1, (1, "reddit"): 1, (1, "twitter"): 1})


def _chameleon(root: Path) -> Expected:
    _tree(root, "0_real/a.png", "1_fake/b.png", "1_fake/c.png")
    return Counter({(0, ""): 1, (1, "chameleon"): 2})


def _cifake(root: Path) -> Expected:
    _tree(root, "train/REAL/a.jpg", "test/REAL/a.jpg", "test/FAKE/b.jpg")
    return Counter({(0, ""): 2, (1, "stable-diffusion-1.4"): 1})


def _folder(root: Path) -> Expected:
    _tree(root, "phones/real/a.png", "flux/fake/b.png")
    return Counter({(0, ""): 1, (1, "flux"): 1})


def _deepfakebench(root: Path) -> Expected:
    _tree(root, "FaceForensics++/original_sequences/youtube/c23/frames/033/000.png")
    _tree(root, "FaceForensics++/manipulated_sequences/Deepfakes/c23/frames/033_097/000.png")
    _tree(root, "Celeb-DF-v1/Celeb-real/frames/id0/000.png")
    real = {"label": "FF-real", "frames": [r"FaceForensics++\original_sequences\youtube\c23\frames\033\000.png"]}
    fake = "FaceForensics++\\manipulated_sequences\\Deepfakes\\c23\\frames\\033_097\\"
    branches = {
        "FF-real": {"test": {"c23": {"033": real}}},
        "FF-DF": {"test": {"c23": {"033_097": {"label": "FF-DF", "frames": [fake + "000.png", fake + "031.png"]}}}},
    }
    celeb = {"label": "CelebDFv1_real", "frames": ["Celeb-DF-v1/Celeb-real/frames/id0/000.png"]}
    (root / "dataset_json").mkdir()
    (root / "dataset_json/FaceForensics++.json").write_text(json.dumps({"FaceForensics++": branches}))
    content = {"Celeb-DF-v1": {"CelebDFv1_real": {"train": {"id0": celeb}}}}
    (root / "dataset_json/Celeb-DF-v1.json").write_text(json.dumps(content))
    return Counter({(0, ""): 2, (1, "FF-DF"): 1})


def _forensichub(root: Path) -> Expected:
    _tree(root, "images/real/a.png", "images/sdxl/b.png")
    entries = [{"path": "images/real/a.png", "label": 0}, {"path": "images/sdxl/b.png", "label": 1}]
    (root / "test.json").write_text(json.dumps(entries))
    return Counter({(0, ""): 1, (1, "sdxl"): 1})


def _spai(root: Path) -> Expected:
    _tree(root, "a.png", "b.png", "c.png")
    rows = [("a.png", "0", "train"), ("b.png", "1", "val"), ("c.png", "1", "test")]
    _table(root / "data.csv", [{"image": i, "class": c, "split": s} for i, c, s in rows])
    return Counter({(0, ""): 1, (1, ""): 2})


def _clipbased(root: Path) -> Expected:
    _tree(root, "real_RAISE_1k/a.png", "dalle2/b.png")
    rows = [{"filename": "real_RAISE_1k/a.png", "typ": "real"}, {"filename": "dalle2/b.png", "typ": "dalle2"}]
    _table(root / "list.csv", rows)
    return Counter({(0, ""): 1, (1, "dalle2"): 1})


def _synthbuster(root: Path) -> Expected:
    _tree(root, "synthbuster/dalle3/r000.png", "synthbuster/firefly/r000.png", "real_RAISE_1k/r000.png")
    return Counter({(0, ""): 1, (1, "dalle3"): 1, (1, "firefly"): 1})


def _synthwildx(root: Path) -> Expected:
    _tree(root, "real/a.jpg", "dalle3/b.jpg")
    rows = [("real/a.jpg", "real"), ("dalle3/b.jpg", "dalle3"), ("firefly/gone.jpg", "firefly")]
    _table(root / "list.csv", [{"url": f"https://example.org/{f}", "filename": f, "typ": t} for f, t in rows])
    return Counter({(0, ""): 1, (1, "dalle3"): 1})


def _bfree(root: Path) -> Expected:
    _tree(root, "a1.jpg", "a2.jpg", "b1.jpg")
    rows = [("a1.jpg", "fake", "A"), ("a2.jpg", "fake", "A"), ("b1.jpg", "real", "B")]
    _table(root / "viral.csv", [{"filename": f, "label": t, "source_id": s, "date": "2024"} for f, t, s in rows])
    return Counter({(0, ""): 1, (1, ""): 2})


def _communityforensics(root: Path) -> Expected:
    columns = {
        "image_name": ["a", "b", "c"],
        "format": ["PNG"] * 3,
        "image_data": [_png(1), _png(2), _png(3)],
        "model_name": ["", "sd-dreambooth-1", "sd-dreambooth-2"],
        "label": [0, 1, 1],
    }
    _parquet(root / "data/test-00000-of-00001.parquet", columns)
    return Counter({(0, ""): 1, (1, "sd-dreambooth-1"): 1, (1, "sd-dreambooth-2"): 1})


def _openfake(root: Path) -> Expected:
    images = [{"bytes": _png(i), "path": None} for i in range(3)]
    prompts, models = ["x", "x", "y"], ["imagenet", "flux.1-dev", "gpt-image-1"]
    columns = {"image": images, "prompt": prompts, "label": ["real", "fake", "fake"], "model": models}
    _parquet(root / "core/test-00000-of-00001.parquet", columns)
    return Counter({(0, ""): 1, (1, "flux.1-dev"): 1, (1, "gpt-image-1"): 1})


def _huggingface(root: Path) -> Expected:
    images = [{"bytes": _png(i), "path": "x.png"} for i in range(3)]
    columns = {"image": images, "label": [0, 1, 1], "model": ["a", "b", "b"]}
    _parquet(root / "data/train-00000-of-00001.parquet", columns, names=["fake", "real"])
    return Counter({(1, "a"): 1, (0, ""): 2})


def _webdataset(root: Path) -> Expected:
    with tarfile.open(root / "test-00.tar", "w") as archive:
        for name in ("a.png", "b.png"):
            item = tarfile.TarInfo(name)
            item.size = len(_png())
            archive.addfile(item, io.BytesIO(_png()))
    row = {"shard": "test-00.tar", "split": "test", "kind": "photo", "licence": "CC0"}
    real = {**row, "file": "a.png", "label": "0", "source": "kodak", "group": "g1"}
    fake = {**row, "file": "b.png", "label": "1", "source": "flux", "group": "g2"}
    _table(root / "manifest.csv", [real, fake, {**fake, "file": "gone.png"}, {**fake, "shard": "gone.tar"}])
    return Counter({(0, ""): 1, (1, "flux"): 1})


TREES: dict[str, Callable[[Path], Expected]] = {
    "aigcdetect": _aigcdetect,
    "bfree": _bfree,
    "chameleon": _chameleon,
    "cifake": _cifake,
    "clipbased": _clipbased,
    "cnndetection": _cnndetection,
    "communityforensics": _communityforensics,
    "deepfakebench": _deepfakebench,
    "diffusionforensics": _diffusionforensics,
    "folder": _folder,
    "forensichub": _forensichub,
    "genimage": _genimage,
    "huggingface": _huggingface,
    "openfake": _openfake,
    "spai": _spai,
    "suites": _suites,
    "synthbuster": _synthbuster,
    "synthwildx": _synthwildx,
    "univfd": _univfd,
    "webdataset": _webdataset,
    "wildrf": _wildrf,
}
TOLD = {"deepfakebench": "missing", "synthwildx": "missing", "univfd": "shared", "webdataset": "no such file"}
"""What must be told of the trees above; of the others nothing."""


def _load(name: str, root: Path, split: str = "") -> tuple[list[Sample], Told]:
    told: Told = []
    return list(benchmark(name, root).samples(split, told.append)), told


def test_every_layout_has_its_tree() -> None:
    assert set(plugins.names(BENCHMARKS)) == set(TREES)


@pytest.mark.parametrize("name", TREES)
def test_layout_loads_with_counts_labels_and_generators(name: str, tmp_path: Path) -> None:
    expected = TREES[name](tmp_path)
    samples, told = _load(name, tmp_path)
    assert Counter((sample.label, sample.generator) for sample in samples) == expected
    assert len({sample.id for sample in samples}) == len(samples)
    for sample in samples:
        assert decode(sample.read(Limits())).pixels.shape == (8, 8, 3)
    words = " ".join(fault.explanation for fault in told)
    assert TOLD.get(name, "") in words
    assert bool(told) == (name in TOLD)


@pytest.mark.parametrize("name", TREES)
def test_layout_says_what_it_is_and_where_to_get_it(name: str) -> None:
    found = plugins.load(BENCHMARKS, name)
    assert found.name == name
    assert all((found.about.title, found.about.layout, found.about.licence, found.about.source))


@pytest.mark.parametrize("name", TREES)
def test_an_empty_folder_gives_nothing_and_says_so(name: str, tmp_path: Path) -> None:
    samples, told = _load(name, tmp_path)
    assert not samples
    assert told


@pytest.mark.parametrize(
    ("name", "split", "count"),
    [("genimage", "val", 3), ("spai", "val", 1), ("cifake", "test", 2), ("openfake", "train", 0)],
)
def test_a_split_is_kept_to(name: str, split: str, count: int, tmp_path: Path) -> None:
    TREES[name](tmp_path)
    samples, _ = _load(name, tmp_path, split)
    assert len(samples) == count


@pytest.mark.parametrize(("name", "groups"), [("bfree", 2), ("openfake", 2), ("webdataset", 2), ("deepfakebench", 3)])
def test_pictures_of_one_source_belong_together(name: str, groups: int, tmp_path: Path) -> None:
    TREES[name](tmp_path)
    samples, _ = _load(name, tmp_path)
    assert len({sample.group for sample in samples}) == groups


def test_a_root_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds"):
        benchmark("genimage", tmp_path / "gone")


def test_the_corpus_loads_with_its_published_counts(shared_data: Path) -> None:
    counts = Counter(s.label for s in benchmark("webdataset", shared_data / "corpus").samples("devtest", ignore))
    assert counts == {0: 537, 1: 246}
