"""The mark in the noise comes back through pipelines of every kind, run backwards, and through the built-in model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filigrane.app.runtime import Runtime
from filigrane.app.scan import scan_picture
from filigrane.core.errors import FiligraneError
from filigrane.core.image import decode
from filigrane.core.settings import load
from filigrane.core.values import Finding, Pixels
from filigrane.generator.base import Recipe
from filigrane.generator.latent.mark import KEY_PURPOSE, registered_id
from filigrane.generator.models import ModelChoice
from filigrane.generator.task import LatentPlan, Task
from filigrane.perturb.table import row
from filigrane.provenance.registry import Registry
from filigrane.watermark.keys import key_folder, load_ring
from filigrane.watermark.payload import derive

pytest.importorskip("diffusers")

from filigrane.generator.models.stable_diffusion import StableDiffusion, build
from filigrane.generator.testing import KINDS, SIDE_PX, PlainAutoencoder, write_pipeline

KEY = b"k" * 32
PLAN = LatentPlan(KEY, 123_456_789)
OTHER = (b"o" * 32,)


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> StableDiffusion:
    """A random denoiser between autoencoders that hide nothing."""
    model = build(choice=ModelChoice(str(write_pipeline(request.param, tmp_path_factory.mktemp("model")))))
    channels = model.pipeline.vae.config.latent_channels
    model.pipeline.vae = PlainAutoencoder(latent_channels=channels)
    return model


def paint(model: StableDiffusion, scheduler: str = "", steps: int = 6) -> Pixels:
    recipe = Recipe("tiny", "a cat", steps=steps, width_px=SIDE_PX, height_px=SIDE_PX, scheduler=scheduler)
    painted = model.paint(Task(recipe, latent=PLAN))
    assert painted.latent_problem == ""
    return painted.pixels


def test_the_number_is_read_from_the_picture_and_after_jpeg(model: StableDiffusion) -> None:
    pixels = paint(model)
    for seen in (pixels, row("jpeg-75").apply(pixels, 0)):
        reading = model.read(seen, (*OTHER, KEY))
        assert reading.found and reading.number == PLAN.number and reading.key == 1


def test_nothing_is_read_without_the_key_or_the_mark(model: StableDiffusion, scene: Pixels) -> None:
    assert not model.read(paint(model), OTHER).found
    assert not model.read(scene, (KEY,)).found


def test_other_samplers_keep_the_mark_or_say_that_they_do_not(model: StableDiffusion) -> None:
    flow = type(model.pipeline.scheduler).__name__.startswith("FlowMatch")
    kept = ("flow-euler",) if flow else ("dpm", "euler", "heun", "unipc", "deis", "pndm")
    for name in kept:
        assert model.read(paint(model, name, 8), (KEY,)).number == PLAN.number, name
    if not flow:
        recipe = Recipe("tiny", "a cat", steps=6, width_px=SIDE_PX, height_px=SIDE_PX, scheduler="euler-ancestral")
        assert "fresh noise" in model.paint(Task(recipe, latent=PLAN)).latent_problem


def test_too_few_steps_are_said_to_lose_the_noise(model: StableDiffusion) -> None:
    recipe = Recipe("tiny", "a cat", steps=1, width_px=SIDE_PX, height_px=SIDE_PX)
    assert "step" in model.paint(Task(recipe, latent=PLAN)).latent_problem


def test_the_built_in_model_carries_the_mark_through_jpeg_and_its_own_autoencoder() -> None:
    import torch

    from filigrane.generator.latent import inversion
    from filigrane.generator.models import builtin

    if not (builtin.WEIGHTS / builtin.CARD).is_file():
        pytest.skip("this checkout ships no weights of the built-in generator")
    model, card = builtin.build(device="cpu"), builtin.card()
    recipe = Recipe("builtin", "a blue t-shirt", seed=1, steps=card.steps, guidance=card.guidance)
    pixels = model.paint(Task(recipe, latent=PLAN)).pixels
    with torch.inference_mode():
        again = inversion.decode(model.pipeline, inversion.encode(model.pipeline, pixels))
    for seen in (pixels, row("jpeg-50").apply(pixels, 0), np.asarray(again.convert("RGB"))):
        assert model.read(seen, (KEY,)).number == PLAN.number


def test_a_size_that_was_changed_is_tried_at_the_size_of_the_model(tmp_path: Path) -> None:
    model = build(choice=ModelChoice(str(write_pipeline("StableDiffusion3", tmp_path))))
    model.pipeline.vae = PlainAutoencoder(latent_channels=16)
    doubled = paint(model).repeat(2, axis=0).repeat(2, axis=1)
    assert model.read(doubled, (KEY,)).number == PLAN.number


def test_a_scan_asks_the_noise_only_where_a_model_is_named(home: Path, tmp_path: Path) -> None:
    from filigrane.app.generate import Studio, ensure_keys
    from filigrane.app.generate_guard import Gate
    from filigrane.app.order import Order

    folder = write_pipeline("StableDiffusion3", tmp_path / "model")
    settings = load(latent_model=str(folder))
    ensure_keys(settings)
    gate = Gate.open(settings)
    with Studio.open(settings, ModelChoice(str(folder)), gate) as studio:
        (made,) = studio.make(Order("a cat", tmp_path / "cat.png", seed=1, steps=4))
    picture = decode(made.path.read_bytes())
    (unasked,) = scan_picture(picture, Runtime(load(), sources=("latent",))).evidence
    assert unasked.finding is Finding.UNAVAILABLE and unasked.llr == 0 and "--latent-model" in unasked.summary
    runtime = Runtime(settings, sources=("latent",))
    (absent,) = scan_picture(picture, runtime).evidence
    assert absent.finding is Finding.ABSENT and made.latent_problem
    (source,) = runtime.sources
    source._model.pipeline.vae = PlainAutoencoder(latent_channels=16)  # type: ignore[attr-defined]
    key = derive(load_ring(key_folder(home)).embedding.secret, KEY_PURPOSE)
    recipe = Recipe("tiny", "a cat", steps=6, width_px=SIDE_PX, height_px=SIDE_PX)
    pixels = source._model.paint(Task(recipe, latent=LatentPlan(key, 7))).pixels  # type: ignore[attr-defined]
    found = source.examine(replace(picture, pixels=pixels))
    assert found.finding is Finding.PRESENT and found.llr > 0
    assert found.details["id"] == f"{registered_id(key, 7):015x}" and found.details["registered"] is False
    with Registry.open(settings.home) as registry:
        (record,) = registry.export()
        registry.issue(replace(record, id=registry.reserve(registered_id(key, 7))))
        registry.revoke(registered_id(key, 7), "a trial")
    assert "was revoked: a trial" in source.examine(replace(picture, pixels=pixels)).summary
    assert found.false_positive_rate is not None and found.false_positive_rate < 1e-6


def test_a_model_that_can_not_be_loaded_leaves_the_scan_alone(home: Path, tmp_path: Path, scene: Pixels) -> None:
    Image.fromarray(scene).save(tmp_path / "photo.png")
    settings = load(latent_model=str(tmp_path / "nowhere"))
    runtime = Runtime(settings, sources=("latent", "metadata"))
    verdict = scan_picture(decode((tmp_path / "photo.png").read_bytes()), runtime)
    latent = next(item for item in verdict.evidence if item.source == "latent")
    assert latent.finding is Finding.UNAVAILABLE and "nowhere" in latent.summary


def test_a_model_that_can_not_be_loaded_is_tried_once(
    home: Path, tmp_path: Path, scene: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def fail(choice: ModelChoice) -> None:
        tries.append(choice.name)
        raise FiligraneError("broken.")

    monkeypatch.setattr("filigrane.generator.models.stable_diffusion.load", fail)
    Image.fromarray(scene).save(tmp_path / "photo.png")
    picture = decode((tmp_path / "photo.png").read_bytes())
    (source,) = Runtime(load(latent_model="nowhere"), sources=("latent",)).sources
    told = [source.examine(picture) for _ in range(2)]
    assert tries == ["nowhere"] and all("broken" in item.summary for item in told)


@pytest.mark.parametrize("shape", [(20, 8000), (8000, 20), (1, 1)])
def test_a_picture_of_any_shape_is_read_without_an_error_of_its_own(
    shape: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = build(choice=ModelChoice(str(write_pipeline("StableDiffusion", tmp_path_factory.mktemp("model")))))
    model.pipeline.vae = PlainAutoencoder(latent_channels=4)
    assert not model.read(np.zeros((*shape, 3), np.uint8), (KEY,)).found
