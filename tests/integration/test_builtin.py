import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from filigrane.app.models import show_model, verify_models
from filigrane.core.errors import NotFound, UnreadableInput
from filigrane.generator.base import Recipe
from filigrane.generator.models import builtin
from filigrane.generator.train.vocabulary import known_nouns

MAX_BYTES = 30 * 10**6


@pytest.fixture(scope="module")
def weights() -> Path:
    """The shipped folder; tests that need it skip where this checkout has none."""
    if not (builtin.WEIGHTS / builtin.CARD).is_file():
        pytest.skip("this checkout ships no weights of the built-in generator")
    return builtin.WEIGHTS


def test_the_card_names_sources_licences_and_every_weight_file(weights: Path) -> None:
    card = builtin.verify(weights)
    assert card.licence and all("(" in source for source in card.trained_on)
    assert {"apple", "t-shirt", "sunflower", "rocket"} <= {noun for nouns in card.knows.values() for noun in nouns}
    assert {(kind, noun) for kind, known in card.knows.items() for noun in known} == known_nouns()
    assert len(card.sha256) == 4
    assert sum((weights / name).stat().st_size for name in card.sha256) <= MAX_BYTES


def test_the_same_recipe_gives_the_same_picture_and_another_seed_another(weights: Path) -> None:
    generator = builtin.build()
    recipe = Recipe("builtin", "a red apple", seed=3, steps=4)
    first, again = generator.sample(recipe), generator.sample(recipe)
    other = generator.sample(Recipe("builtin", "a red apple", seed=4, steps=4))
    assert first.shape == (256, 256, 3) and first.dtype == np.uint8
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_picture_of_a_seed_does_not_depend_on_the_number_of_threads(weights: Path) -> None:
    torch = pytest.importorskip("torch")
    before, generator, made = torch.get_num_threads(), builtin.build(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            made.append(generator.sample(Recipe("builtin", "a lemon", seed=5, steps=4)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(made[0], made[1])


def test_a_red_apple_is_redder_than_a_green_one(weights: Path) -> None:
    generator = builtin.build()
    red, green = (
        np.mean([generator.sample(Recipe("builtin", words, seed=seed)) for seed in range(3)], axis=(0, 1, 2))
        for words in ("red apples", "green apples")
    )
    assert red[0] - red[1] > green[0] - green[1] + 20


def test_the_card_is_listed_checked_and_shown_by_name(weights: Path) -> None:
    assert [row.problem for row in verify_models() if row.card.name == "builtin"] == [""]
    told = json.loads(show_model("builtin").to_json())
    assert "apple" in told["knows"]["produce"] and "red" in told["colours"] and told["trained_on"] and told["limits"]


def test_diffusers_loads_the_folder_as_it_is_without_a_network(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diffusers = pytest.importorskip("diffusers")

    def refuse(*_: object) -> None:
        raise AssertionError("the built-in model must not connect")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(weights)
    made = pipeline("a blue t-shirt", num_inference_steps=2, output_type="np").images
    assert made.shape == (1, 256, 256, 3)


def test_changed_missing_and_unnamed_weights_are_refused_before_parsing(weights: Path, tmp_path: Path) -> None:
    copy = tmp_path / "builtin"
    shutil.copytree(weights, copy)
    part = copy / "vae" / "diffusion_pytorch_model.safetensors"
    data = bytearray(part.read_bytes())
    data[-1] ^= 1
    part.write_bytes(data)
    with pytest.raises(UnreadableInput, match="vae"):
        builtin.build(folder=copy)
    part.unlink()
    with pytest.raises(UnreadableInput, match="vae"):
        builtin.verify(copy)
    shutil.copyfile(weights / "vae" / part.name, part)
    shutil.copyfile(part, copy / "unet" / "more.safetensors")
    with pytest.raises(UnreadableInput, match=r"more\.safetensors"):
        builtin.verify(copy)


def test_a_folder_without_card_or_with_a_damaged_one_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="train generator"):
        builtin.card(tmp_path)
    (tmp_path / builtin.CARD).write_text('{"name": "x"}')
    with pytest.raises(UnreadableInput, match="card"):
        builtin.card(tmp_path)
