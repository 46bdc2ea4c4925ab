"""What can't be generated is refused in one sentence: checkpoints that are none, orders that can't be met."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from filigrane.app.generate import Studio, ensure_keys
from filigrane.app.generate_guard import Gate
from filigrane.app.generate_model import ModelChoice
from filigrane.app.order import Order
from filigrane.core.errors import FiligraneError, NotFound, UsageError
from filigrane.core.settings import Settings
from filigrane.core.settings import load as load_settings
from filigrane.core.values import Pixels

pytest.importorskip("diffusers")

from filigrane.generator.testing import SIDE_PX, write_pipeline
from filigrane.generator.testing_files import write_lora


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Stable Diffusion."""
    return write_pipeline("StableDiffusion", tmp_path_factory.mktemp("model"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = load_settings(home=tmp_path / "home")
    ensure_keys(made)
    return made


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order("a red apple", tmp_path / "apple.png", seed=3, steps=2, width_px=SIDE_PX, height_px=SIDE_PX)


def studio(settings: Settings, model: Path | str, **choice: Any) -> Studio:
    return Studio.open(settings, ModelChoice(str(model), **choice), Gate.open(settings))


def broken(kind: str, folder: Path, tmp_path: Path) -> str:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    match kind:
        case "missing":
            return str(tmp_path / "nowhere")
        case "unknown hub id":
            return "nobody/has-this"
        case "no such file":
            return str(tmp_path / "none.safetensors")
        case "pickled file":
            (tmp_path / "model.ckpt").write_bytes(b"\x80\x04N.")
            return str(tmp_path / "model.ckpt")
        case "pickled folder":
            weights.rename(weights.with_suffix(".bin"))
        case "program":
            (copy / "unet" / "model.py").write_text("raise SystemExit")
        case "cut weights":
            weights.write_bytes(weights.read_bytes()[:-100])
        case "noise":
            weights.write_bytes(b"\xff" * 64)
        case "no weights":
            weights.unlink()
        case "no index":
            (copy / "model_index.json").unlink()
        case "damaged index":
            (copy / "model_index.json").write_text("{")
        case "another kind":
            (copy / "model_index.json").write_text('{"_class_name": "UNet2DModel"}')
        case "empty file":
            (tmp_path / "e.safetensors").write_bytes(b"")
            return str(tmp_path / "e.safetensors")
    return str(copy)


@pytest.mark.parametrize(
    "kind",
    [
        *("missing", "unknown hub id", "no such file", "pickled file", "pickled folder", "program", "cut weights"),
        *("noise", "no weights", "no index", "damaged index", "another kind", "empty file"),
    ],
)
def test_a_checkpoint_that_is_none_gives_one_sentence(
    kind: str, model: Path, settings: Settings, order: Order, tmp_path: Path
) -> None:
    name = broken(kind, model, tmp_path)
    with studio(settings, name) as open_studio, pytest.raises(FiligraneError) as caught:
        list(open_studio.make(order))
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    assert len(str(caught.value)) < 500 and not order.output.exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"width_px": 255}, "multiples of"),
        ({"width_px": 5000}, "4096"),
        ({"steps": 0}, "steps"),
        ({"seed": -1}, "seed"),
        ({"guidance": float("nan")}, "guidance"),
        ({"scheduler": "magic"}, "ddim"),
        ({"scheduler": "flow-euler"}, "ddim"),
        ({"count": 0}, "1 to 100"),
        ({"output": Path("picture.bmp")}, "bmp"),
        ({"output": Path("/nowhere/at/all.png")}, "folder"),
        ({"mask": Path(__file__)}, "--init-image"),
        ({"again": Path(__file__)}, "no recipe"),
        ({"prompt": " "}, "prompt"),
    ],
)
def test_orders_that_can_not_be_met_say_why(
    change: dict[str, Any], told: str, model: Path, settings: Settings, order: Order
) -> None:
    with studio(settings, model) as open_studio, pytest.raises(UsageError, match=told):
        list(open_studio.make(replace(order, **change)))


@pytest.mark.parametrize("strength", [0.0, 0.1, 1.5, float("nan"), float("inf")])
def test_a_strength_that_is_none_says_what_one_is(
    strength: float, model: Path, settings: Settings, order: Order, scene: Pixels, tmp_path: Path
) -> None:
    Image.fromarray(scene).save(tmp_path / "start.png")
    with studio(settings, model) as open_studio, pytest.raises(UsageError, match="strength"):
        list(open_studio.make(replace(order, start=tmp_path / "start.png", strength=strength)))


def test_a_device_that_fails_is_one_sentence(
    model: Path, settings: Settings, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such\ndevice")

    monkeypatch.setattr("diffusers.StableDiffusionPipeline.to", fail)
    with studio(settings, model) as open_studio, pytest.raises(FiligraneError, match="no such device"):
        list(open_studio.make(order))


def test_a_lora_that_does_not_fit_or_is_pickled_is_refused(
    model: Path, settings: Settings, order: Order, tmp_path: Path
) -> None:
    odd = write_lora(model, tmp_path / "odd.safetensors", prefix="elsewhere")
    for path, error in ((odd, FiligraneError), (tmp_path / "a.pt", UsageError), (tmp_path / "n.safetensors", NotFound)):
        with studio(settings, model, loras=((path, 1.0),)) as it, pytest.raises(error):
            list(it.make(order))
    with pytest.raises(UsageError, match="no LoRA"):
        studio(settings, "builtin", loras=((odd, 1.0),))
    with pytest.raises(UsageError, match="number type"):
        studio(settings, "builtin", dtype="bfloat16")


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"device": "toaster"}, "device"),
        ({"device": "mps"}, "device"),
        ({"device": "mps:zz"}, "device"),
        ({"device": "cpu:zz"}, "device"),
        ({"dtype": "float7"}, "number type"),
        ({"device": "cpu", "offload": True}, "Offloading"),
    ],
)
def test_a_machine_that_can_not_do_it_is_told_so(
    choice: dict[str, Any], told: str, model: Path, settings: Settings, order: Order
) -> None:
    with studio(settings, model, **choice) as it, pytest.raises(UsageError, match=told):
        list(it.make(order))


def test_a_file_that_is_there_is_never_overwritten(model: Path, settings: Settings, order: Order) -> None:
    order.output.write_bytes(b"mine")
    with studio(settings, model) as open_studio, pytest.raises(UsageError, match="exists"):
        list(open_studio.make(order))
    assert order.output.read_bytes() == b"mine"
