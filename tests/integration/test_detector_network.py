"""The shipped architecture end to end on random weights: trained, saved, run in both runtimes, exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import MissingExtra, NotFound, UnreadableInput, UsageError
from filigrane.core.values import Json
from filigrane.core.weights import Card, Tensors, find_card
from filigrane.detector import models
from filigrane.detector.models import Exportable, Learner

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("imagenet") / "lite0.pth"
    torch.manual_seed(1)
    torch.save(timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def learner(imagenet: Path) -> Learner:
    return models.learner("patches", trunks=["lite0"], regularisation=0.01, imagenet={"lite0": str(imagenet)})


@pytest.fixture(scope="module")
def crops() -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 255, (6, 64, 80, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def learned(learner: Learner, crops: NDArray[np.uint8]) -> Tensors:
    rows = learner.describe(crops)
    labels = np.array([0, 1] * 3, np.int8)
    return learner.learn(rows, labels, np.ones(6), np.random.default_rng(3))


@pytest.fixture(scope="module")
def card(learner: Learner, learned: Tensors, tmp_path_factory: pytest.TempPathFactory) -> Card:
    plain = Card("own", "patches", "own.safetensors", "", 192, (0.5,) * 3, (0.5,) * 3, "Apache-2.0", 1)
    return learner.save(plain, learned, tmp_path_factory.mktemp("weights"))


def test_both_runtimes_give_the_scores_of_the_fit(
    learner: Learner, learned: Tensors, card: Card, crops: NDArray[np.uint8]
) -> None:
    from filigrane.detector.models.patches import Patches

    fast, slow = models.load(card), Patches(card)
    assert fast.name == slow.name == "patches" and type(fast) is not type(slow)
    np.testing.assert_allclose(fast.llr(crops), slow.llr(crops), atol=0.05)  # half precision
    np.testing.assert_allclose(slow.llr(crops), learner.score(learner.describe(crops), learned), atol=0.05)


def test_the_place_in_a_batch_and_the_size_of_a_crop_do_not_matter(card: Card, crops: NDArray[np.uint8]) -> None:
    detector = models.load(card)
    np.testing.assert_allclose(detector.llr(crops)[3:4], detector.llr(crops[3:4]), atol=1e-5)
    assert np.isfinite(detector.llr(crops[:, :64, :64])).all()
    assert detector.llr(crops[:0]).shape == (0,)


def test_it_runs_without_torch(card: Card, crops: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    assert models.load(card).llr(crops).shape == (6,)


def test_without_either_runtime_the_extra_is_named(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "onnxruntime"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(MissingExtra, match="evaluate"):
        models.load(card)


def test_a_changed_network_is_refused(card: Card, tmp_path: Path) -> None:
    for name in (card.file, "own.onnx", "own.json"):
        (tmp_path / name).write_bytes((card.folder / name).read_bytes())
    (tmp_path / "own.onnx").write_bytes((card.folder / "own.onnx").read_bytes() + b"\0")
    with pytest.raises(UnreadableInput, match="SHA-256"):
        models.load(replace(card, folder=tmp_path))


def test_an_exported_network_is_a_detector_again(card: Card, crops: NDArray[np.uint8], tmp_path: Path) -> None:
    from filigrane.core.values import sha256_hex
    from filigrane.detector.models.patches import Patches

    target = tmp_path / "out.onnx"
    detector = Patches(card)
    assert isinstance(detector, Exportable) and isinstance(models.load(card), Exportable)
    detector.export_onnx(target)
    again = replace(
        card,
        architecture="onnx",
        file=target.name,
        sha256=sha256_hex(target.read_bytes()),
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        about={"any_size": True},
        folder=tmp_path,
    )
    np.testing.assert_allclose(models.load(again).llr(crops), detector.llr(crops), atol=1e-3)


def test_weights_of_another_network_are_refused(imagenet: Path, card: Card, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tensor"):
        models.learner("patches", trunks=["lite2"], imagenet={"lite2": str(imagenet)})
    torch.save({"a": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(UsageError, match="tensors"):
        models.learner("patches", imagenet={"lite0": str(tmp_path / "x.pth")})


@pytest.mark.parametrize("options", [{"trunks": ["lite1"]}, {"trunks": []}, {"imagenet": {"lite0": "/nope"}}])
def test_trunks_and_files_that_do_not_exist_are_told(options: dict[str, Json]) -> None:
    with pytest.raises(UsageError, match=r"lite0|/nope"):
        models.learner("patches", **options)


@pytest.mark.parametrize("trunks", [["lite1"], [["lite0"]], "lite0", None])
def test_a_card_with_other_trunks_is_refused(card: Card, trunks: Json) -> None:
    with pytest.raises(UnreadableInput, match="trunks"):
        models.load(replace(card, about={"trunks": trunks}))


def test_the_card_says_where_its_trunks_come_from(card: Card) -> None:
    assert card.about["trunk_weights"] == "lite0: a file that the configuration named"


def test_a_network_that_the_card_names_must_be_there(card: Card, tmp_path: Path) -> None:
    (tmp_path / card.file).write_bytes(card.path.read_bytes())
    with pytest.raises(NotFound, match=r"own\.onnx"):
        models.load(replace(card, folder=tmp_path))


def test_any_network_of_timm_is_a_detector(card: Card, crops: NDArray[np.uint8], tmp_path: Path) -> None:
    from filigrane.core.weights import save

    network = timm.create_model("test_resnet", pretrained=False, num_classes=2)
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    about: dict[str, Json] = {"network": "test_resnet", "classes": 2}
    own = replace(card, architecture="timm", name="t", file="t.safetensors", size_px=96, about=about)
    assert models.load(save(own, tensors, tmp_path)).llr(crops).shape == (6,)
    with pytest.raises(UnreadableInput, match="timm network"):
        models.load(save(replace(own, about={"network": "no_such"}), tensors, tmp_path))


def test_the_shipped_detector_answers_in_its_own_words(crops: NDArray[np.uint8]) -> None:
    shipped = find_card("detector")
    detector = models.load(shipped)
    assert np.isfinite(detector.llr(crops)).all()
    assert detector.size_px == shipped.size_px
