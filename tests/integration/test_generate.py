"""Generating with tiny random pipelines of every kind: nothing leaves unmarked, whatever fails on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from filigrane.app.generate import Studio, ensure_keys
from filigrane.app.generate_guard import AUDIT_FILE, Gate
from filigrane.app.generate_model import ModelChoice
from filigrane.app.mark import Marker
from filigrane.app.order import Order, Said, remake
from filigrane.app.recover import State, recover_file
from filigrane.cli.main import main
from filigrane.core.errors import FiligraneError, SigningError, UsageError, WatermarkError
from filigrane.core.image import decode
from filigrane.core.settings import Settings
from filigrane.core.settings import load as load_settings
from filigrane.core.values import Label, Manifest, Pixels
from filigrane.generator.guard import Refused
from filigrane.generator.latent.mark import ALGORITHM
from filigrane.generator.task import PREVIEW_PX, Progress
from filigrane.provenance import binding, trust
from filigrane.provenance.metadata import read_metadata
from filigrane.provenance.read import read_manifest
from filigrane.provenance.registry import Registry

pytest.importorskip("diffusers")

from filigrane.generator.testing import KINDS, SIDE_PX, write_pipeline
from filigrane.generator.testing_files import write_lora, write_single_file


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with a random pipeline for each kind."""
    root = tmp_path_factory.mktemp("models")
    return {kind: write_pipeline(kind, root / kind) for kind in KINDS}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = load_settings(home=tmp_path / "home")
    ensure_keys(made)
    return made


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order("a red apple", tmp_path / "apple.png", seed=3, steps=2, width_px=SIDE_PX, height_px=SIDE_PX)


@pytest.fixture
def start(tmp_path: Path, scene: Pixels) -> Path:
    path = tmp_path / "start.png"
    Image.fromarray(scene).resize((SIDE_PX, SIDE_PX)).save(path)
    return path


def studio(settings: Settings, model: Path | str, **choice: Any) -> Studio:
    return Studio.open(settings, ModelChoice(str(model), **choice), Gate.open(settings))


def manifest_of(path: Path, settings: Settings) -> Manifest:
    found = read_manifest(path.read_bytes(), decode(path.read_bytes()).format, trust.load(settings.home))
    assert found is not None
    return found


def issued(settings: Settings) -> Iterator[Any]:
    with Registry.open(settings.home) as registry:
        yield from registry.export()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_pipeline_gives_a_marked_signed_registered_picture(
    kind: str, models: dict[str, Path], settings: Settings, order: Order
) -> None:
    with studio(settings, models[kind]) as open_studio:
        (made,) = open_studio.make(order, Said(provider="Test house"))
    assert made.verdict.label is Label.AI_GENERATED and made.seed == 3
    manifest = manifest_of(made.path, settings)
    assert manifest.actions == ("c2pa.created", "c2pa.watermarked.bound")
    assert manifest.own_source_types[0].endswith("/trainedAlgorithmicMedia")
    assert binding.names(manifest.soft_bindings, made.mark)
    assert any(kind in agent for agent in manifest.software_agents)
    (record,) = issued(settings)
    assert record.id == made.mark and record.provider == "Test house"
    assert record.system == kind and record.system_version and record.created_at
    assert made.latent is None and "2 steps hardly use the noise" in made.latent_problem
    assert ALGORITHM not in dict(manifest.soft_bindings)


@pytest.mark.parametrize("kind", KINDS)
def test_image_to_image_and_inpainting_keep_the_parent(
    kind: str, models: dict[str, Path], settings: Settings, order: Order, start: Path, tmp_path: Path
) -> None:
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    mask[:, SIDE_PX // 2 :] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    with studio(settings, models[kind]) as open_studio:
        (drawn,) = open_studio.make(replace(order, start=start, strength=0.5))
        (painted,) = open_studio.make(
            replace(order, start=start, mask=tmp_path / "mask.png", output=tmp_path / "painted.png")
        )
    for made in (drawn, painted):
        manifest = manifest_of(made.path, settings)
        assert manifest.actions == ("c2pa.opened", "c2pa.edited", "c2pa.watermarked.bound")
        assert [item.relationship for item in manifest.ingredients] == ["parentOf"]
        assert manifest.own_source_types[0].endswith("/compositeWithTrainedAlgorithmicMedia")
        assert made.latent is None and "starts from another" in made.latent_problem
    before, after = np.asarray(Image.open(start)), np.asarray(Image.open(painted.path))
    gaps = np.abs(before.astype(int) - after.astype(int)).mean((0, 2))
    assert gaps[: SIDE_PX // 2].mean() < 5 < gaps[SIDE_PX // 2 :].mean()


def test_a_single_file_and_a_lora_are_loaded(
    models: dict[str, Path], settings: Settings, order: Order, tmp_path: Path
) -> None:
    folder = models["StableDiffusion"]
    single = write_single_file(folder, tmp_path / "model.safetensors")
    lora = write_lora(folder, tmp_path / "ink.safetensors")
    with studio(settings, folder) as open_studio:
        (plain,) = open_studio.make(order)
    with studio(settings, single, config=folder) as open_studio:
        (same,) = open_studio.make(replace(order, output=tmp_path / "single.png"))
    with studio(settings, folder, loras=((lora, 1.0),)) as open_studio:
        (inked,) = open_studio.make(replace(order, output=tmp_path / "inked.png"))
    shas = [json.loads(made.recipe.read_text())["pixels_sha256"] for made in (plain, same, inked)]
    assert shas[0] == shas[1] != shas[2]
    assert json.loads(inked.recipe.read_text())["loras"] == [["ink.safetensors", 1.0]]


def test_a_recipe_makes_the_same_picture_and_tells_where_it_can_not(
    models: dict[str, Path], settings: Settings, order: Order, tmp_path: Path
) -> None:
    model = models["StableDiffusion3"]
    with studio(settings, model) as open_studio:
        (made,) = open_studio.make(replace(order, seed=None, negative="blue"))
        again = Order("a red apple", tmp_path / "again.png", negative="blue", again=made.recipe)
        (same,) = open_studio.make(again)
        assert remake(made.recipe) == str(model)
        with pytest.raises(UsageError, match="hashes differ"):
            list(open_studio.make(replace(again, prompt="a green apple", output=tmp_path / "b.png")))
    assert same.seed == made.seed and same.mark != made.mark
    told = [json.loads(item.recipe.read_text()) for item in (made, same)]
    assert told[0]["pixels_sha256"] == told[1]["pixels_sha256"]
    assert told[0]["recipe"]["prompt"] == "" and "red apple" not in made.recipe.read_text()
    with studio(settings, models["StableDiffusion"]) as other, pytest.raises(UsageError, match="version"):
        list(other.make(replace(again, output=tmp_path / "c.png")))


def test_a_recipe_is_not_mixed_with_other_options_or_pictures(
    models: dict[str, Path], settings: Settings, order: Order, start: Path, tmp_path: Path
) -> None:
    with studio(settings, models["StableDiffusion"]) as open_studio:
        (made,) = open_studio.make(replace(order, start=start, strength=1.0))
        assert json.loads(made.recipe.read_text())["runs_on"] in ("cpu float32", "cuda float16")
        again = Order(order.prompt, tmp_path / "again.png", start=start, again=made.recipe)
        for change in ({"seed": 3}, {"steps": 2}, {"guidance": 0.0}, {"width_px": 8}, {"scheduler": "ddim"}):
            with pytest.raises(UsageError, match="leave them out"):
                list(open_studio.make(replace(again, **change)))
        for other in (None, made.path):
            with pytest.raises(UsageError, match="--init-image; give the same"):
                list(open_studio.make(replace(again, start=other)))
        with pytest.raises(UsageError, match="began with none as --mask"):
            list(open_studio.make(replace(again, mask=start)))
        (same,) = open_studio.make(again)
    told = [json.loads(item.recipe.read_text()) for item in (made, same)]
    assert told[0]["pixels_sha256"] == told[1]["pixels_sha256"]


def test_another_picture_of_the_same_words_and_seed_has_another_number_in_its_noise(
    models: dict[str, Path], settings: Settings, order: Order, tmp_path: Path
) -> None:
    def number(change: dict[str, Any], **choice: Any) -> int:
        with studio(settings, models["StableDiffusion"], **choice) as it:
            return it._numbers(it._recipe(replace(order, **change), 3, None), None)[0].number

    lora = write_lora(models["StableDiffusion"], tmp_path / "ink.safetensors")
    changes: tuple[dict[str, Any], ...] = (
        *({}, {"prompt": "a pear"}, {"negative": "blue"}, {"guidance": 1.0}, {"steps": 3}, {"scheduler": "ddim"}),
        *({"width_px": SIDE_PX + 8}, {"height_px": SIDE_PX + 8}),
    )
    numbers = {number(change) for change in changes} | {number({}, loras=((lora, how),)) for how in (0.5, 1.0)}
    assert len(numbers) == len(changes) + 2 and number({}) in numbers


def test_several_pictures_count_their_seeds_up_and_differ(
    models: dict[str, Path], settings: Settings, order: Order, tmp_path: Path
) -> None:
    with studio(settings, models["StableDiffusion"]) as open_studio:
        made = list(open_studio.make(replace(order, count=2, scheduler="ddim", guidance=1.0)))
    assert [item.seed for item in made] == [3, 4]
    assert [item.path.name for item in made] == ["apple-1.png", "apple-2.png"]
    assert made[0].mark != made[1].mark
    assert made[0].path.read_bytes() != made[1].path.read_bytes()


def test_the_prompt_is_hashed_unless_it_is_to_be_kept_and_labels_are_written(
    models: dict[str, Path], settings: Settings, order: Order, tmp_path: Path
) -> None:
    with studio(settings, models["StableDiffusion"]) as open_studio:
        (hidden,) = open_studio.make(order)
        said = Said(tc260=True, badge=True, store_prompt=True)
        (told,) = open_studio.make(replace(order, output=tmp_path / "told.jpg"), said)
    assert b"red apple" not in hidden.path.read_bytes() + hidden.recipe.read_bytes()
    labels = {entry.keyword: entry.text for entry in read_metadata(decode(told.path.read_bytes())).shown}
    assert labels["Iptc4xmpExt:AIPromptInformation"] == "a red apple"
    assert labels["Iptc4xmpExt:AISystemUsed"] == "StableDiffusion"
    assert any(f"{told.mark:015x}" in text for name, text in labels.items() if "AIGC" in name)
    corner = np.asarray(Image.open(told.path).convert("RGB"))[-12:-4, -12:-4]
    assert corner.mean() < 128


def test_progress_counts_the_steps_and_no_preview_is_a_whole_picture(
    models: dict[str, Path], settings: Settings, order: Order
) -> None:
    seen: list[Progress] = []
    previews: list[Pixels] = []

    def tell(step: Progress) -> None:
        seen.append(step)
        if step.preview is not None:
            previews.append(step.preview())

    with studio(settings, models["Flux"]) as open_studio:
        list(open_studio.make(order, progress=tell))
    assert [(step.step, step.steps) for step in seen] == [(1, 2), (2, 2)]
    assert seen[-1].preview is None
    assert previews and all(max(preview.shape[:2]) <= PREVIEW_PX for preview in previews)


def test_what_the_guard_refuses_is_never_sampled_and_leaves_a_line(
    settings: Settings, order: Order, tmp_path: Path
) -> None:
    with studio(settings, tmp_path / "no model") as open_studio, pytest.raises(Refused, match="category sexual"):
        list(open_studio.make(replace(order, prompt="a naked woman on a bed")))
    line = json.loads((settings.home / AUDIT_FILE).read_text().splitlines()[-1])
    assert line["action"] == "block" and "naked" not in json.dumps(line)
    assert not order.output.exists()


def test_a_rule_that_warns_is_told_with_the_picture_and_its_reason_kept(
    models: dict[str, Path], settings: Settings, order: Order, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("categories: {rivals: {action: warn, reason: not ours, rules: {named: {terms: [apple]}}}}\n")
    choice = ModelChoice(str(models["StableDiffusion"]))
    with Studio.open(settings, choice, Gate.open(settings, policy=own)) as open_studio:
        (made,) = open_studio.make(order)
    assert "The guard warns: not ours (category rivals, rule named)." in made.warnings
    line = json.loads((settings.home / AUDIT_FILE).read_text().splitlines()[-1])
    assert line["matches"] == [{"category": "rivals", "rule": "named", "reason": "not ours"}]


def test_a_picture_check_that_refuses_keeps_the_picture_back(
    models: dict[str, Path], settings: Settings, order: Order
) -> None:
    class Prude:
        def problem(self, pixels: Pixels) -> str:
            return f"{pixels.shape[1]} px are too many"

    gate = Gate.open(settings)
    gate._check = Prude()
    choice = ModelChoice(str(models["StableDiffusion"]))
    with Studio.open(settings, choice, gate) as open_studio, pytest.raises(Refused, match="too many"):
        list(open_studio.make(order))
    assert not order.output.exists() and not list(issued(settings))


@pytest.mark.parametrize("error", [WatermarkError("no mark"), SigningError("no signature")])
def test_without_mark_or_signature_nothing_is_handed_over(
    error: FiligraneError,
    models: dict[str, Path],
    settings: Settings,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Marker, "mark", fail)
    with studio(settings, models["StableDiffusion"]) as open_studio, pytest.raises(type(error)):
        list(open_studio.make(order))
    assert [path.name for path in order.output.parent.iterdir()] == ["home"]


def test_a_failed_self_check_revokes_the_mark_and_leaves_no_file(
    models: dict[str, Path], settings: Settings, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Marker.mark

    def spoil(self: Marker, draft: Any, target: Path) -> Any:
        handed = real(self, draft, target)
        Image.open(target).convert("RGB").save(target)
        return handed

    monkeypatch.setattr(Marker, "mark", spoil)
    with studio(settings, models["StableDiffusion"]) as open_studio, pytest.raises(SigningError, match="handed over"):
        list(open_studio.make(order))
    (record,) = issued(settings)
    assert record.revoked is not None and "never handed over" in record.revoked.reason
    assert [path.name for path in order.output.parent.iterdir()] == ["home"]


def test_a_mark_whose_file_could_not_be_placed_is_revoked_and_its_file_removed(
    models: dict[str, Path], settings: Settings, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(part: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("filigrane.app.mark.place", fail)
    with studio(settings, models["StableDiffusion"]) as open_studio, pytest.raises(UsageError, match="No space"):
        list(open_studio.make(order))
    (record,) = issued(settings)
    assert record.revoked is not None and "never handed over" in record.revoked.reason
    assert [path.name for path in order.output.parent.iterdir()] == ["home"]


@pytest.mark.parametrize("taken", ["apple.png", "apple.png.recipe.json"])
def test_whoever_came_first_keeps_picture_and_recipe(
    taken: str, models: dict[str, Path], settings: Settings, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, folder = Marker.mark, order.output.parent

    def race(self: Marker, draft: Any, target: Path) -> Any:
        (folder / taken).write_bytes(b"the winner's")
        return real(self, draft, target)

    monkeypatch.setattr(Marker, "mark", race)
    with studio(settings, models["StableDiffusion"]) as open_studio, pytest.raises(UsageError, match="meanwhile"):
        list(open_studio.make(order))
    assert sorted(path.name for path in folder.iterdir()) == sorted(["home", taken])
    assert (folder / taken).read_bytes() == b"the winner's"
    (record,) = issued(settings)
    assert record.revoked is not None


def test_the_stripped_picture_leads_back_to_its_manifest(
    models: dict[str, Path], settings: Settings, order: Order, tmp_path: Path
) -> None:
    with studio(settings, models["StableDiffusion"]) as open_studio:
        (made,) = open_studio.make(order)
    Image.open(made.path).convert("RGB").save(tmp_path / "bare.jpg", quality=90)
    found = recover_file(tmp_path / "bare.jpg", settings)
    assert found.found and found.state is State.SAME_PICTURE
    assert found.mark is not None and found.mark.id == made.mark


def test_the_latent_mark_is_named_in_the_manifest_where_it_reads(settings: Settings, order: Order) -> None:
    with studio(settings, "builtin") as open_studio:
        (made,) = open_studio.make(replace(order, steps=12, width_px=None, height_px=None))
    assert made.latent == made.mark and not made.latent_problem
    bindings = dict(manifest_of(made.path, settings).soft_bindings)
    assert binding.from_value(bindings[ALGORITHM]) == made.latent


def test_half_precision_numbers_carry_all_marks_too(models: dict[str, Path], settings: Settings, order: Order) -> None:
    with studio(settings, models["StableDiffusion"], device="cpu", dtype="bfloat16") as open_studio:
        (made,) = open_studio.make(order)
    assert made.verdict.label is Label.AI_GENERATED


def test_the_command_prints_a_line_for_each_picture_and_one_sentence_for_an_error(
    models: dict[str, Path], home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", str(models["StableDiffusion3"]), "--steps", "1", "--size", f"{SIDE_PX}x{SIDE_PX}"]
    assert main(["generate", "a cat", "-n", "2", "-o", str(tmp_path / "cat.png"), "--seed", "8", *options]) == 0
    printed = capsys.readouterr()
    lines = [line.split("\t") for line in printed.out.splitlines()]
    assert [line[0] for line in lines] == [str(tmp_path / f"cat-{place}.png") for place in (1, 2)]
    assert [line[1] for line in lines] == ["seed 8", "seed 9"]
    assert "signing key of this machine" in printed.err and "no mark in its noise" in printed.err
    recipe = str(tmp_path / "cat-1.png.recipe.json")
    assert main(["generate", "a cat", "--recipe", recipe, "-o", str(tmp_path / "again.png")]) == 0
    capsys.readouterr()
    for wrong in (["--size", "big"], ["--lora", "a.safetensors:heavy"], ["-n", "0"]):
        assert main(["generate", "a cat", "-o", str(tmp_path / "x.png"), *options, *wrong]) == UsageError.exit_code
        assert capsys.readouterr().err.count("\n") == 1
    assert main(["generate", "a naked woman", "-o", str(tmp_path / "x.png"), *options]) == Refused.exit_code
    assert not (tmp_path / "x.png").exists()
