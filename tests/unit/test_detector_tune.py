"""Laws of tuning: only the later stages learn, a stopped run goes on, and what was tuned is written and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from filigrane.core.errors import UsageError
from filigrane.core.image import encode
from filigrane.core.weights import Tensors
from filigrane.detector import corpus, models, train
from filigrane.detector.config import Config, Tuning, read_config
from filigrane.detector.models.patches import PatchesLearner

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("onnx")

from filigrane.detector import tune  # noqa: E402

TRUNKS = ("lite0", "lite2")


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    for label, word in enumerate(("0_real", "1_fake")):
        for source in range(4):
            place = tmp_path / "corpus" / word / f"{word}-{source}"
            place.mkdir(parents=True)
            noise = rng.normal(120, 30 if label == 0 else 2, (72, 88, 3)).clip(0, 255).astype(np.uint8)
            (place / "0.png").write_bytes(encode(noise, "png"))
            (place / "small.png").write_bytes(encode(noise[:40, :40], "png"))
    return tmp_path


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Drawn weights in the place of those of ImageNet."""
    import timm

    torch.manual_seed(0)
    paths = {}
    for name in TRUNKS:
        paths[name] = str(tmp_path_factory.mktemp("imagenet") / f"{name}.pt")
        torch.save(timm.create_model(f"tf_efficientnet_{name}", pretrained=False).state_dict(), paths[name])
    return paths


def _config(folder: Path, imagenet: dict[str, str], tuning: dict[str, object]) -> Config:
    return Config(
        corpora=(str(folder / "corpus"),),
        work=str(folder / "work"),
        output=str(folder / "out"),
        models={"patches": {"trunks": list(TRUNKS), "imagenet": imagenet, "tuning": tuning, "folds": 2}},
        deliveries=1,
        fixed_per_source=2,
        false_positive_rate=0.6,
    )


def test_a_tuned_run_writes_a_network_that_answers_as_it_was_calibrated(
    folder: Path, imagenet: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    tuning = {"trunk": "lite0", "budget_s": 0.01, "batch": 2, "crop_px": 64}
    (card,) = train.run(_config(folder, imagenet, tuning), told.append)
    assert card.about["tuning"] == {**tuning, "learning_rate": 2e-4, "device": "cpu"}
    assert sum("is tuned" in line for line in told) == 3, "one for each fold and one for all"
    monkeypatch.setenv("FILIGRANE_WEIGHTS", str(folder / "out"))
    detector = models.load(card)
    crops = np.zeros((2, 64, 64, 3), np.uint8)
    assert detector.llr(crops).shape == (2,) and np.isfinite(detector.llr(crops)).all()
    checkpoints = sorted((folder / "work").glob("tuned-*/checkpoint.pt"))
    assert len(checkpoints) == 3
    changed = [path.stat().st_mtime_ns for path in sorted((folder / "work").glob("pictures-*.bin"))]
    train.run(_config(folder, imagenet, tuning), told.append)
    assert sorted((folder / "work").glob("tuned-*/checkpoint.pt")) == checkpoints
    assert [path.stat().st_mtime_ns for path in sorted((folder / "work").glob("pictures-*.bin"))] == changed


def test_only_the_later_stages_of_one_trunk_learn(folder: Path, imagenet: dict[str, str]) -> None:
    entries = corpus.entries(folder / "corpus")
    pictures = tune.Pictures(entries, folder / "work", lambda _: None)
    assert len(pictures.places) == len(entries) / 2, "pictures that are too small to be judged are left out"
    learner = PatchesLearner(trunks=TRUNKS, regularisation=1e-4, imagenet=imagenet)
    count = int(learner.columns("lite0").sum())
    head: Tensors = {"weight": np.full(count, 1e-3, np.float32), "bias": np.zeros(1, np.float32)}
    task = tune.Task(entries, pictures, pictures.places, head, 1)
    before = learner.alone("lite0").state_dict()
    tuning = Tuning("lite0", 1.0, batch=2, crop_px=64, learning_rate=1e-2)
    after = tune.tuned(learner.alone("lite0"), task, tuning, folder / "work").state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name]) and not name.startswith("head.")}
    assert moved, "something learns"
    stages = {int(name.split(".")[3]) for name in moved if ".blocks." in name}
    assert min(stages) >= tune.KEPT_STAGES and all(".blocks." in name for name in moved)
    assert not any("running" in name for name in moved), "the statistics of batch normalisation stay"
    np.testing.assert_array_equal(after["head.weight"].numpy()[0], head["weight"])


def test_a_stored_picture_is_the_picture(folder: Path) -> None:
    entries = corpus.entries(folder / "corpus")
    pictures = tune.Pictures(entries, folder / "work", lambda _: None)
    for entry, pixels in corpus.stream(entries):
        if min(pixels.shape[:2]) >= 64:
            np.testing.assert_array_equal(pictures[entries.index(entry)], pixels)


def test_only_patches_can_be_tuned(folder: Path) -> None:
    config = folder / "config.toml"
    config.write_text('corpora = ["corpus"]\nwork = "w"\noutput = "o"\n[models.spectral.tuning]\ntrunk = "lite0"\n')
    with pytest.raises(UsageError, match="spectral has no trunk to tune"):
        read_config(config)


@pytest.mark.parametrize(
    ("changed", "told"), [({"trunk": "lite9"}, "no trunk 'lite9'"), ({"device": "gpu0"}, "no device 'gpu0'")]
)
def test_what_is_not_there_is_said_in_a_sentence(
    folder: Path, imagenet: dict[str, str], changed: dict[str, str], told: str
) -> None:
    config = _config(folder, imagenet, {"trunk": "lite0", "budget_s": 1.0, **changed})
    with pytest.raises(UsageError, match=told):
        train.run(config, lambda _: None)
