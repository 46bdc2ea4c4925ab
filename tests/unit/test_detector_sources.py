"""Laws of rebuilding the training set: what is listed is cut, what has changed or lies elsewhere is left out."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import UsageError
from filigrane.core.image import decode, encode
from filigrane.core.values import sha256_hex
from filigrane.detector import corpus
from filigrane.detector.sources import CUT_PX, rebuild

Pixels = NDArray[np.uint8]


def _git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def listed(tmp_path: Path, rng: np.random.Generator) -> dict[str, str]:
    clone = tmp_path / "clones" / "owner" / "name"
    clone.mkdir(parents=True)
    data = encode(rng.integers(0, 255, (300, 400, 3)).astype(np.uint8), "png")
    (clone / "a picture.png").write_bytes(data)
    _git(clone, "init", "-q")
    _git(clone, "add", "a picture.png")
    _git(clone, "commit", "-qm", "one")
    values = {"file": "x.png", "label": "1", "source": "s", "group": "owner/name", "left": "16", "top": "32"}
    place = {"repo": "owner/name", "commit": _git(clone, "rev-parse", "HEAD"), "path_in_repo": "a picture.png"}
    return values | place | {"sha256": sha256_hex(data)}


def _rebuilt(tmp_path: Path, row: dict[str, str]) -> tuple[int, list[str]]:
    with (tmp_path / "list.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(row))
        writer.writeheader()
        writer.writerow(row)
    told: list[str] = []
    return rebuild(tmp_path / "list.csv", tmp_path / "clones", tmp_path / "out", told.append), told


def test_a_listed_picture_becomes_a_corpus(tmp_path: Path, listed: dict[str, str]) -> None:
    assert _rebuilt(tmp_path, listed) == (1, [])
    ((entry, pixels),) = corpus.stream(corpus.entries(tmp_path / "out"))
    whole = decode((tmp_path / "clones/owner/name/a picture.png").read_bytes()).pixels
    assert np.array_equal(pixels, whole[32 : 32 + CUT_PX, 16 : 16 + CUT_PX])
    assert (entry.label, entry.group) == (1, "owner/name")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"path_in_repo": "other.png"}, "left out"),
        ({"repo": "../../etc"}, "no clone"),
        ({"commit": "--help"}, "no commit"),
        ({"left": "400"}, "outside"),
    ],
)
def test_what_is_not_as_listed_is_told_and_left_out(
    tmp_path: Path, listed: dict[str, str], change: dict[str, str], why: str
) -> None:
    made, told = _rebuilt(tmp_path, listed | change)
    assert made == 0 and why in told[0]


def test_a_list_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        rebuild(tmp_path / "no.csv", tmp_path, tmp_path / "out", lambda _: None)


def test_another_table_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no list of sources"):
        _rebuilt(tmp_path, {"a": "b"})
