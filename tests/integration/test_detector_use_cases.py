"""The detector through its use cases: listed, verified, measured, calibrated on one's own pictures, mapped."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.app import doctor, heat, measure, models, train
from filigrane.app.runtime import Runtime
from filigrane.cli.main import main
from filigrane.core.errors import LimitExceeded, MissingExtra, NotFound, UsageError
from filigrane.core.image import encode
from filigrane.core.settings import Settings
from filigrane.core.weights import find_card
from filigrane.detector import calibrate
from filigrane.detector.calibrate import OWN_CALIBRATION

pytest.importorskip("onnxruntime")
pytest.importorskip("sklearn")

Pixels = NDArray[np.uint8]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped weights that may be changed."""
    card, folder = find_card("detector"), tmp_path / "weights"
    folder.mkdir()
    for path in card.folder.glob("detector.*"):
        shutil.copy(path, folder)
    monkeypatch.setenv("FILIGRANE_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def pictures(tmp_path: Path, rng: np.random.Generator) -> Path:
    for word in ("0_real", "1_fake"):
        for source in range(3):
            folder = tmp_path / "set" / word / f"{word}-{source}"
            folder.mkdir(parents=True)
            for number in range(4):
                noise = rng.normal(120, 5 + 20 * source, (70, 90, 3)).clip(0, 255).astype(np.uint8)
                (folder / f"{number}.png").write_bytes(encode(noise, "png"))
    return tmp_path / "set"


def test_weights_are_listed_verified_and_shown(own: Path) -> None:
    assert "detector" in [item.card.name for item in models.list_models()]
    assert not [item.problem for item in models.verify_models() if item.card.name == "detector" and item.problem]
    assert "## Trained on" in models.model_card("detector")
    for name in ("detector.onnx", "detector.safetensors"):
        intact = (own / name).read_bytes()
        (own / name).write_bytes(intact + b"\0")
        (problem,) = [item.problem for item in models.verify_models() if item.card.name == "detector"]
        assert "SHA-256" in problem and name in problem
        (own / name).write_bytes(intact)


@pytest.mark.parametrize("look", [models.list_models, models.verify_models])
def test_cards_that_cannot_be_read_and_files_that_are_missing_are_listed(
    own: Path, look: Callable[[], tuple[models.Listed, ...]]
) -> None:
    (own / "broken.json").write_text("{")
    (own / "detector.onnx").unlink()
    problems = {item.card.name: item.problem for item in look() if item.problem}
    assert set(problems) == {"broken", "detector"}
    assert "not a card" in problems["broken"] and "detector.onnx" in problems["detector"]


def test_the_doctor_sees_what_is_missing(own: Path, home: Path) -> None:
    (own / "detector.onnx").unlink()
    (check,) = [check for check in doctor.examine(Runtime(Settings(home=home))) if check.name == "detector"]
    assert check.ok is False and "detector.onnx" in check.state


@pytest.mark.parametrize("name", ["builtin", "watermark-receiver"])
def test_only_detectors_have_a_model_card(name: str) -> None:
    with pytest.raises(UsageError, match="no detector"):
        models.model_card(name)


def test_a_missing_library_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [each for each in sys.modules if each.startswith(("scipy", "filigrane.detector.models.spectral"))]:
        monkeypatch.delitem(sys.modules, module)
    for module in ("filigrane.detector.models._statistics", "scipy"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match="evaluate"):
        models.export_onnx("detector-spectral", tmp_path / "out.onnx")


def test_the_network_leaves_as_onnx_once(tmp_path: Path) -> None:
    target = models.export_onnx("detector", tmp_path / "out.onnx")
    assert target.stat().st_size > 100_000
    with pytest.raises(UsageError, match="exists"):
        models.export_onnx("detector", target)


def test_own_pictures_move_the_threshold_until_reset(pictures: Path, home: Path) -> None:
    settings, told = Settings(home=home), list[str]()
    (pictures / "0_real" / "small.png").write_bytes(encode(np.zeros((20, 20, 3), np.uint8), "png"))
    found = train.calibrate_detector([str(pictures / "0_real")], settings, told.append, false_positive_rate=0.3)
    assert found.n_real == 12 and found.false_positive_rate == 0.3
    assert any("small.png" in line for line in told)
    assert calibrate.read(home / OWN_CALIBRATION) == found
    assert train.reset_calibration(settings) and not train.reset_calibration(settings)
    with pytest.raises(UsageError, match="at least 299"):
        train.calibrate_detector([str(pictures / "0_real")], settings, told.append, false_positive_rate=0.01)


def test_measuring_writes_figures_with_intervals_into_the_card(own: Path, pictures: Path, tmp_path: Path) -> None:
    report = measure.measure_detector(measure.MeasureRequest(pictures, tmp_path / "out"), lambda _: None)
    assert {"auc", "verdict_flips"} <= {row.metric for row in report.rows}
    noted = json.loads((own / "detector.json").read_text())["metrics"]["figures"]
    value, low, high, n = noted["auc;delivery=clean"]
    assert low <= value <= high and n == 24
    assert models.model_card("detector").count("| clean | auc |") == 1


@pytest.mark.parametrize(
    ("name", "starts"),
    [("map.png", lambda data: data.startswith(b"\x89PNG")), ("map.html", lambda data: b"<h1>" in data)],
)
def test_a_map_is_drawn(scene: Pixels, home: Path, tmp_path: Path, name: str, starts: Callable[[bytes], bool]) -> None:
    source, settings = tmp_path / "scene.png", Settings(home=home)
    source.write_bytes(encode(scene, "png"))
    assert starts(heat.export(source, tmp_path / name, settings).read_bytes())
    with pytest.raises(UsageError, match="exists"):
        heat.export(source, tmp_path / name, settings)
    source.write_bytes(encode(scene[:80, :80], "png"))
    with pytest.raises(UsageError, match="no map of a picture of 80 x 80 px"):
        heat.export(source, tmp_path / name, settings, force=True)


def test_a_map_is_a_picture_or_a_page_whatever_the_name_of_its_source(
    scene: Pixels, home: Path, tmp_path: Path
) -> None:
    source, settings = tmp_path / "caf\udce9.png", Settings(home=home)
    source.write_bytes(encode(scene, "png"))
    with pytest.raises(UsageError, match=r"\.png or a \.html"):
        heat.export(source, tmp_path / "map.jpg", settings)
    assert b"caf\\udce9.png" in heat.export(source, tmp_path / "map.html", settings).read_bytes()


def test_why_there_is_no_map_is_told_where_one_was_asked_for(
    scene: Pixels, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "scene.png"
    source.write_bytes(encode(scene, "png"))
    with pytest.raises(LimitExceeded):
        heat.export(source, tmp_path / "map.png", Settings(home=home, max_bytes=100))
    monkeypatch.setattr(heat, "WEIGHTS", "no-such-weights")
    with pytest.raises(NotFound, match="no-such-weights"):
        heat.export(source, tmp_path / "map.png", Settings(home=home))
    assert heat.HeatMaps(Settings(home=home)).draw(source.read_bytes()) is None


def test_the_commands_list_verify_show_and_draw(
    own: Path, scene: Pixels, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> tuple[int, str]:
        code = main(list(words))
        return code, capsys.readouterr().out

    code, listed = run("models", "list", "--json")
    assert code == 0 and "detector" in [row["name"] for row in json.loads(listed)]
    assert run("models", "verify")[0] == 0
    assert json.loads(run("models", "show", "detector")[1])["architecture"] == "patches"
    assert run("models", "show", "detector", "--markdown")[1].startswith("# detector")
    assert run("models", "show", "nothing")[0] == 2
    (tmp_path / "scene.png").write_bytes(encode(scene, "png"))
    assert run("heat", str(tmp_path / "scene.png"), "-o", str(tmp_path / "map.png"))[0] == 0
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert run("heat", str(tmp_path / "none.png"), "-o", str(tmp_path / "other.png"))[0] == 3
    (own / "detector.onnx").write_bytes(b"")
    code, table = run("models", "verify")
    assert code == 4 and "SHA-256" in table
