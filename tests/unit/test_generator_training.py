from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from torch import nn
from typer.testing import CliRunner

from filigrane.app.train_generator import Training, train_generator
from filigrane.cli import train as command
from filigrane.core.errors import NotFound, UsageError
from filigrane.generator.data import Original
from filigrane.generator.train import denoiser
from filigrane.generator.train.loop import Plan, Run, rate_at
from filigrane.generator.train.text import TOKENS, learn_tokenizer
from filigrane.generator.train.vocabulary import Subject


def _run(folder: Path, budget_s: float) -> Run:
    torch.manual_seed(1)
    return Run(nn.Linear(2, 1), Plan(budget_s, 8, 0.05, average=0.9), folder)


def _train(run: Run) -> None:
    def loss(rng: np.random.Generator) -> torch.Tensor:
        points = torch.from_numpy(rng.standard_normal((8, 2))).float()
        error: torch.Tensor = run.model(points) - points.sum(1, keepdim=True)
        return error.square().mean()

    run.go(loss, lambda: None)


def test_training_learns_and_leaves_curve_and_checkpoint(tmp_path: Path) -> None:
    run = _run(tmp_path, 0.3)
    _train(run)
    assert torch.allclose(run.average.state["weight"], torch.ones(1, 2), atol=0.1)
    assert (tmp_path / "curve.csv").read_text().startswith("step,elapsed_s,loss")
    assert not list(tmp_path.glob("*.partial"))


def test_a_run_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    first = _run(tmp_path, 0.1)
    _train(first)
    second = _run(tmp_path, 0.1)
    assert second.resume()
    assert second.progress == first.progress
    assert torch.equal(second.model.state_dict()["weight"], first.model.state_dict()["weight"])
    steps = second.progress.step
    _train(second)
    assert second.progress.step == steps


def test_nothing_to_resume_is_not_an_error(tmp_path: Path) -> None:
    assert not _run(tmp_path, 1).resume()


def test_the_rate_rises_and_falls_once() -> None:
    rates = [rate_at(place / 100) for place in range(101)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)


def test_the_tokenizer_has_clips_ends_and_spells_what_it_never_saw(tmp_path: Path) -> None:
    tokenizer = learn_tokenizer(["a red apple", "green apples", "a blue rocket"] * 20, tmp_path, size=400)
    ids = tokenizer("a RED apple").input_ids
    assert (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert str(tokenizer.decode(ids[1:-1])).strip() == "a red apple"
    assert len(tokenizer("xylophone 東").input_ids) > 4
    padded = denoiser.tokens_of(["word " * 99, ""], tokenizer)
    assert padded.shape == (2, TOKENS)
    assert {path.name for path in tmp_path.iterdir()} >= {"vocab.json", "merges.txt"}


def _item(kind: str, noun: str) -> Original:
    return Original(Subject(kind, noun, noun + "s"), "MIT", "a/b", "c", "d", held_out=False)


def test_of_photos_the_half_most_like_the_others_is_kept_and_every_emoji() -> None:
    rng = np.random.default_rng(0)
    alike = np.tile(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None, None], (6, 1, 64, 3))
    odd = rng.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    pictures = np.concatenate([alike, odd])
    items = [_item("produce", "apple")] * 10
    assert denoiser.typical(pictures, items, range(10)) == [0, 1, 2, 3, 4]
    assert denoiser.typical(pictures, [_item("emoji", "apple")] * 10, range(10)) == list(range(10))


def test_moved_pictures_keep_their_size_and_range(rng: np.random.Generator) -> None:
    pictures = torch.rand(4, 3, 64, 64)
    moved = denoiser.moved(pictures, ["emoji", "produce"] * 2, rng)
    assert moved.shape == pictures.shape
    assert float(moved.min()) >= 0
    assert float(moved.max()) <= 1.0001


def test_an_unknown_stage_and_missing_files_are_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no stage 'bake'"):
        train_generator(Training(tmp_path, tmp_path, stages=("bake",)), lambda _: None)
    with pytest.raises(UsageError, match="--captions"):
        train_generator(Training(tmp_path, tmp_path, stages=("pack",)), lambda _: None)
    with pytest.raises(NotFound, match="pack"):
        train_generator(Training(tmp_path, tmp_path, stages=("denoiser",)), lambda _: None)


def test_the_command_line_reaches_the_stages(tmp_path: Path) -> None:
    app = typer.Typer()
    command.register(app)
    told = ["train", "generator", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out"), "--stages"]
    assert "no stage 'bake'" in str(CliRunner().invoke(app, [*told, "bake"]).exception)
    assert "packed pictures" in str(CliRunner().invoke(app, [*told, "denoiser"]).exception)
