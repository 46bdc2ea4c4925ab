"""Laws of aligned pairs: only real pictures are redrawn, few of each source, and a pair is never split."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from numpy.typing import NDArray
from safetensors.torch import save_file
from typer.testing import CliRunner

from filigrane.app.train import AutoencoderTraining, make_pairs, train_autoencoder
from filigrane.cli import train as command
from filigrane.core.errors import UnreadableInput, UsageError
from filigrane.core.image import encode
from filigrane.detector import corpus
from filigrane.detector.autoencoders import DESIGNS, Autoencoder
from filigrane.detector.pairs import write_pairs
from filigrane.perturb.base import recode

Pixels = NDArray[np.uint8]


class Darker:
    """Stands for the autoencoder."""

    name = "darker"
    unit = "halves"
    strengths: tuple[float, ...] = (1.0,)
    bounds = (1.0, 1.0)

    def apply(self, pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
        """The picture at half its brightness."""
        return pixels // 2


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    for place in ("0_real/a", "0_real/b", "1_fake/c"):
        folder = tmp_path / "in" / place
        folder.mkdir(parents=True)
        for number in range(3):
            (folder / f"{number}.png").write_bytes(encode(np.full((70, 90, 3), 200, np.uint8), "png"))
    return tmp_path / "in"


def test_redrawn_pictures_are_a_corpus_in_the_groups_of_their_originals(originals: Path, tmp_path: Path) -> None:
    entries, out = corpus.entries(originals), tmp_path / "out"
    assert write_pairs(entries, Darker(), out, np.random.default_rng(4), per_source=2) == 4
    made = dict(corpus.stream(corpus.entries(out)))
    assert Counter(entry.group for entry in made) == dict.fromkeys({e.group for e in entries if not e.label}, 2)
    assert all(entry.label == 1 and entry.long_side_px == 90 for entry in made)
    assert all(abs(int(pixels.mean()) - 100) <= 2 for pixels in made.values())


def test_a_pair_is_compressed_as_its_original_was(tmp_path: Path, scene: Pixels) -> None:
    folder = tmp_path / "in" / "0_real" / "a"
    folder.mkdir(parents=True)
    for quality in (20, 60):
        (folder / f"{quality}.jpg").write_bytes(encode(scene, "jpeg", quality=quality))
    write_pairs(corpus.entries(tmp_path / "in"), Darker(), tmp_path / "out", np.random.default_rng(4))
    made = [pixels for _, pixels in corpus.stream(corpus.entries(tmp_path / "out"))]
    originals = [pixels for _, pixels in corpus.stream(corpus.entries(tmp_path / "in"))]
    for quality, original, pixels in zip((20, 60), originals, made, strict=True):
        assert np.array_equal(pixels, recode(original // 2, "JPEG", quality))


def test_the_command_line_trains_an_autoencoder_and_redraws_with_it(originals: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    command.register(app)
    torch.manual_seed(1)
    model = Autoencoder(DESIGNS["kl-f8"], 2)
    own = tmp_path / "own"
    own.mkdir()
    save_file(model.state_dict(), own / "autoencoder.safetensors")
    (own / "autoencoder.json").write_text('{"design": "kl-f8", "width": 2}')
    told = ["train", "pairs", "--corpus", str(originals), "--output", str(tmp_path / "out"), "--per-source", "1"]
    done = CliRunner().invoke(app, [*told, "--autoencoder", str(own)])
    assert done.exit_code == 0 and done.output.startswith("2 pictures in")
    assert {entry.source for entry in corpus.entries(tmp_path / "out")} == {"aligned-pair-kl-f8"}
    asked = ["train", "autoencoder", "--design", "kl-f9", "--corpus", str(originals), "--out", str(tmp_path / "ae")]
    assert "no design 'kl-f9'" in str(CliRunner().invoke(app, asked).exception)


def test_a_folder_without_an_autoencoder_is_refused(originals: Path, tmp_path: Path) -> None:
    (tmp_path / "autoencoder.json").write_text("{}")
    with pytest.raises(UnreadableInput, match="train autoencoder"):
        make_pairs([originals], tmp_path / "out", tmp_path)


def test_training_an_autoencoder_needs_time_and_a_device(originals: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="time above zero"):
        train_autoencoder(AutoencoderTraining("kl-f8", (originals,), tmp_path / "out", 0))
    with pytest.raises(UsageError, match="no device 'abacus'"):
        train_autoencoder(AutoencoderTraining("kl-f8", (originals,), tmp_path / "out", device="abacus"))
