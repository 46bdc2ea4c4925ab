"""The learned receiver: the classical one until trained, the same in numpy and torch, and trained in parts."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.app.train_watermark import ReceiverTraining, train_receiver
from filigrane.core import weights
from filigrane.core.errors import UnreadableInput, UsageError
from filigrane.core.image import encode
from filigrane.watermark.demodulate import narrow
from filigrane.watermark.methods.spread import build
from filigrane.watermark.receiver import NAME, Receiver, apart, installed, together
from filigrane.watermark.specimens import PATCH_PX, Specimen, specimen

torch = pytest.importorskip("torch", reason="torch is not installed")
train = pytest.importorskip("filigrane.watermark.train", reason="torch is not installed")

Pixels = NDArray[np.uint8]


@pytest.fixture
def network() -> train.Network:  # type: ignore[name-defined]
    """A network with random weights."""
    torch.manual_seed(4)
    made = train.Network()
    for value in made.parameters():
        torch.nn.init.normal_(value, std=0.1)
    return made


@pytest.fixture
def luma(scene: Pixels) -> NDArray[np.float32]:
    return np.asarray(scene[:150, :200].mean(axis=2), np.float32)


def drawn(scene: Pixels, count: int = 8) -> list[Specimen]:
    rng = np.random.default_rng(5)
    return [specimen(scene, rng) for _ in range(count)]


def test_before_training_the_network_is_the_classical_receiver(luma: NDArray[np.float32]) -> None:
    with torch.inference_mode():
        assert np.allclose(train.Network()(luma).numpy(), narrow(luma))


def test_numpy_computes_what_torch_does(network: train.Network, luma: NDArray[np.float32]) -> None:  # type: ignore[name-defined]
    with torch.inference_mode():
        expected = network(luma).numpy()
    assert np.allclose(Receiver(network.tensors())(luma), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (37, 52), (64, 1500)])
def test_any_size_keeps_its_size(network: train.Network, shape: tuple[int, int]) -> None:  # type: ignore[name-defined]
    rest = Receiver(network.tensors())(np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32))
    assert rest.shape == shape
    assert np.isfinite(rest).all()


def test_planes_are_taken_apart_and_put_together() -> None:
    plane = np.arange(48, dtype=np.float32).reshape(6, 8)
    assert np.array_equal(together(apart(plane)), plane)
    assert np.array_equal(apart(plane)[1], plane[0::2, 1::2])


def test_a_specimens_chips_are_where_it_says(scene: Pixels) -> None:
    heard = []
    for given in drawn(scene):
        assert max(given.luma.shape) <= PATCH_PX
        assert given.chips.shape == (len(given.down) // 2, len(given.across) // 2)
        rest = torch.from_numpy(narrow(given.luma))
        moved = Specimen(given.luma, np.roll(given.chips, 1, axis=1), given.down, given.across, given.cell_px)
        heard.append((float(train.clearness(rest, given)), float(train.clearness(rest, moved))))
    right, wrong = np.median(heard, axis=0)
    assert right > 20 * wrong


def test_equal_seeds_give_equal_specimens(scene: Pixels) -> None:
    for one, other in zip(drawn(scene, 3), drawn(scene, 3), strict=True):
        assert np.array_equal(one.luma, other.luma) and np.array_equal(one.chips, other.chips)


def test_training_goes_on_and_its_weights_are_used(
    scene: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "_CHECKS", 1)
    monkeypatch.setattr(train, "Plan", partial(train.Plan, batch=1))
    corpus, work = tmp_path / "corpus", tmp_path / "work"
    corpus.mkdir()
    for number in range(25):
        (corpus / f"{number}.png").write_bytes(encode(np.roll(scene[:170, :170], number, axis=1), "png"))
    told: list[str] = []
    card, spent_s = None, 0.0
    for _ in range(2):  # a run whose time is nearly over takes one step
        card = train_receiver(
            ReceiverTraining(corpus, work, tmp_path / "out", spent_s + 1e-6, licence="CC0-1.0"), told.append
        )
        spent_s = torch.load(work / "checkpoint.pt", weights_only=True)["elapsed_s"]
    assert [line.split("step ")[1][0] for line in told] == ["1", "2"]
    assert card is not None and json.loads(card.to_json())["trained_on"]["steps"] == 2
    assert card.licence == "CC0-1.0"
    monkeypatch.setenv("FILIGRANE_WEIGHTS", str(tmp_path / "out"))
    receiver = installed()
    assert receiver is not None and receiver(np.zeros((8, 8), np.float32)).shape == (8, 8)
    assert build().read(build().embed(scene, 5)).payload == 5


def test_an_empty_corpus_and_a_broken_checkpoint_are_refused(tmp_path: Path) -> None:
    for corpus in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UsageError, match=str(corpus)):
            train_receiver(ReceiverTraining(corpus, tmp_path / "work", tmp_path), print)
    (tmp_path / "work" / "checkpoint.pt").write_bytes(b"something else")
    with pytest.raises(UsageError, match="checkpoint"):
        train_receiver(ReceiverTraining(tmp_path, tmp_path / "work", tmp_path), print)


@pytest.mark.parametrize(("name", "content"), [("manifest.csv", b"name\na.png\n"), ("train-0.tar", b"no tar at all")])
def test_a_corpus_that_cannot_be_read_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=name):
        train_receiver(ReceiverTraining(tmp_path, tmp_path / "work", tmp_path), print)


def test_weights_of_something_else_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreadableInput, match="not those of"):
        Receiver({"a.weight": np.zeros((1, 1), np.float32)})
    other = weights.Card(NAME, "another", f"{NAME}.safetensors", "", 1, (), (), "CC0-1.0", 0)
    weights.save(other, {"a": np.zeros(1, np.float32)}, tmp_path)
    monkeypatch.setenv("FILIGRANE_WEIGHTS", str(tmp_path))
    with pytest.raises(UnreadableInput, match="another"):
        installed()


def test_the_receiver_that_ships_hears_more_than_the_classical_one(scene: Pixels) -> None:
    receiver, rng = installed(), np.random.default_rng(6)
    assert receiver is not None
    gains_db = []
    for given in (specimen(scene, rng) for _ in range(16)):
        heard = [float(train.clearness(torch.from_numpy(f(given.luma)), given)) for f in (receiver, narrow)]
        gains_db.append(10 * np.log10(max(heard[0], 1) / max(heard[1], 1)))
    assert np.mean(gains_db) > 0.3
