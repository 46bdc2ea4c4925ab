"""``filigrane mark`` and ``filigrane recover`` from the command line: what they print and the code they exit with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.cli.main import main
from filigrane.core.image import decode, encode
from filigrane.core.values import Trust
from filigrane.provenance import keys, trust
from filigrane.provenance.certificates import Holder
from filigrane.provenance.read import read_manifest

Scene = NDArray[np.uint8]


@pytest.fixture
def picture(home: Path, tmp_path: Path, scene: Scene) -> Path:
    """A picture to mark, with signing keys in place."""
    keys.create(home / "keys", Holder("Tests"))
    path = tmp_path / "in.png"
    path.write_bytes(encode(scene, "png"))
    return path


def test_mark_then_strip_then_recover(
    picture: Path, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, bare, store = tmp_path / "out.png", tmp_path / "bare.jpg", tmp_path / "store.c2pa"
    assert main(["mark", str(picture), "-o", str(out), "--provider", "Org", "--system", "Model"]) == 0
    target, mark, outcome = capsys.readouterr().out.strip().split("\t")
    assert (target, outcome) == (str(out), "marked")
    bare.write_bytes(encode(decode(out.read_bytes()).pixels, "jpeg", quality=80))
    assert main(["recover", str(bare), "-o", str(store)]) == 0
    told = capsys.readouterr().out
    assert "bytes differ" in told and f"mark: {mark}" in told and "provider: Org" in told
    manifest = read_manifest(out.read_bytes(), "png", trust.load(home), sidecar=store.read_bytes())
    assert manifest is not None and manifest.trust is Trust.TRUSTED
    assert main(["recover", str(bare), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["state"], record["route"], record["mark"]["id"]) == ("same_picture", "watermark", mark)


def test_a_picture_without_a_manifest_exits_with_1_and_writes_none(picture: Path, tmp_path: Path) -> None:
    store = tmp_path / "store.c2pa"
    assert main(["recover", str(picture), "-o", str(store)]) == 1
    assert not store.exists()


def test_a_folder_with_a_bad_file_exits_with_3_and_marks_the_rest(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    picture.rename(folder / "a.png")
    (folder / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(["mark", str(folder), "-o", str(tmp_path / "out"), "--workers", "1"]) == 3
    captured = capsys.readouterr()
    assert "a.png" in captured.out and "b.png" in captured.err
    assert main(["mark", str(folder), "-o", str(tmp_path / "out"), "--workers", "1", "--resume"]) == 3
    assert "done_before" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags",
    [["--source-type", "camera"], ["--profile", "secret"], ["--key-id", "none"], ["--profile", "private"], ["--tc260"]],
)
def test_wrong_requests_are_one_sentence_and_exit_code_2(
    picture: Path, tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mark", str(picture), "-o", str(tmp_path / "out.png"), *flags]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("command", [["mark", "in.png", "-o", "out.png"], ["recover", "none.png"]])
def test_missing_keys_and_missing_files_say_what_to_do(
    home: Path,
    tmp_path: Path,
    scene: Scene,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.png").write_bytes(encode(scene, "png"))
    assert main(command) == (2 if command[0] == "mark" else 3)
    told = capsys.readouterr().err
    assert "keys init" in told or "none.png" in told


def test_a_marked_picture_is_not_named_as_if_it_were_of_another_format(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mark", str(picture), "-o", str(tmp_path / "out.jpg")]) == 2
    assert "to end in .png" in capsys.readouterr().err
    assert not (tmp_path / "out.jpg").exists()


def test_standard_input_is_no_picture_to_mark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mark", "-", "-o", str(tmp_path / "out.png")]) == 2
    assert "Standard input" in capsys.readouterr().err


def test_a_source_type_may_be_named_by_its_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    assert main(["mark", str(tmp_path / "nowhere.png"), "-o", "out", "--source-type", address]) == 2
    assert "nowhere.png" in capsys.readouterr().err


def test_names_of_pictures_do_not_write_over_the_terminal(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "red\x1b[31m.png").write_bytes(b"no picture")
    assert main(["mark", str(tmp_path / "red\x1b[31m.png"), "-o", str(tmp_path / "out.png")]) == 3
    told = capsys.readouterr().err
    assert "red [31m.png" in told and "\x1b" not in told
