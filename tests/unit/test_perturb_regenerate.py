"""Regeneration by an autoencoder: where it is taken from, and what it says where there is none."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import MissingExtra, NotFound, UnreadableInput
from filigrane.perturb.attacks.regenerate import build

Pixels = NDArray[np.uint8]


@pytest.fixture
def rough(tmp_path: Path) -> Path:
    """A folder with an autoencoder of two levels and random weights."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    torch.manual_seed(1)
    levels = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    blocks = {"num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)}
    diffusers.AutoencoderTiny(**levels, **blocks).save_pretrained(tmp_path / "autoencoder")
    return tmp_path / "autoencoder"


@pytest.mark.parametrize("shape", [(1, 1), (63, 65), (530, 40)])
def test_every_size_comes_back_drawn_anew(rough: Path, shape: tuple[int, int], rng: np.random.Generator) -> None:
    pixels: Pixels = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    drawn = build(rough).apply(pixels, 1.0, rng)
    assert drawn.shape == pixels.shape
    assert not np.array_equal(drawn, pixels)


def test_no_pass_leaves_the_picture_as_it_is(scene: Pixels, rng: np.random.Generator) -> None:
    assert np.array_equal(build(Path("nowhere")).apply(scene, 0.0, rng), scene)


def test_the_users_own_autoencoder_is_found(rough: Path, scene: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    monkeypatch.setenv("FILIGRANE_WEIGHTS", str(rough.parent))
    assert np.array_equal(build().apply(scene, 1.0, rng), build(rough).apply(scene, 1.0, rng))


def test_without_an_autoencoder_the_folders_searched_are_named(
    scene: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filigrane.perturb.attacks.regenerate.folders", lambda: (tmp_path,))
    with pytest.raises(NotFound, match="autoencoder"):
        build().apply(scene, 1.0, np.random.default_rng(1))


@pytest.mark.parametrize("config", [b"", b"[" * 9999, b"{}", json.dumps({"_class_name": "UNet2DModel"}).encode()])
def test_a_folder_of_something_else_is_refused(config: bytes, tmp_path: Path, scene: Pixels) -> None:
    (tmp_path / "config.json").write_bytes(config)
    with pytest.raises(UnreadableInput, match=r"autoencoder|known are"):
        build(tmp_path).apply(scene, 1.0, np.random.default_rng(1))


def test_without_torch_one_sentence_says_what_to_install(
    scene: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="pip install"):
        build(tmp_path).apply(scene, 1.0, np.random.default_rng(1))
