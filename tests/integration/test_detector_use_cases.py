"""The detector through its use cases: listed, verified, measured, calibrated on one's own pictures, mapped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.app import heat, measure, models, train
from filigrane.core.errors import UsageError
from filigrane.core.image import encode
from filigrane.core.settings import Settings
from filigrane.core.weights import find_card
from filigrane.detector import calibrate
from filigrane.detector.evidence.classifier import OWN_CALIBRATION

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
    with pytest.raises(UsageError, match="no map"):
        heat.export(source, tmp_path / name, settings, force=True)
