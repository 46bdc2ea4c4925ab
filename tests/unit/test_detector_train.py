"""Laws of training: a stopped run goes on, equal seeds give equal weights, and groups stay together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import UsageError
from filigrane.core.image import encode
from filigrane.core.weights import find_card
from filigrane.detector import calibrate, corpus, models, train
from filigrane.detector.config import Config, read_config
from filigrane.detector.describe import RANDOM, Plan, described

pytest.importorskip("sklearn")
pytest.importorskip("safetensors")

Floats = NDArray[np.floating]


class Mean:
    """Describes a crop by its mean colours, and takes the first source's label for what it has learned."""

    name = "mean"
    hash = "mean"
    numbers = 3
    averages = True

    def __init__(self) -> None:
        self.looked = 0

    def describe(self, crops: NDArray[np.uint8]) -> Floats:
        """The mean colours."""
        self.looked += 1
        return np.asarray(crops.mean(axis=(1, 2)), np.float32)


@pytest.fixture
def pictures(tmp_path: Path, rng: np.random.Generator) -> Path:
    for label, word in enumerate(("0_real", "1_fake")):
        for source in range(4):
            folder = tmp_path / "corpus" / word / f"{word}-{source}"
            folder.mkdir(parents=True)
            for number in range(2):
                noise = rng.normal(120, 30 if label == 0 else 2, (70, 90, 3)).clip(0, 255).astype(np.uint8)
                (folder / f"{number}.png").write_bytes(encode(noise, "png"))
    return tmp_path


@pytest.fixture
def config(pictures: Path) -> Config:
    return Config(
        corpora=(str(pictures / "corpus"),),
        work=str(pictures / "work"),
        output=str(pictures / "out"),
        models={"spectral": {"trees": 4, "leaves": 3}},
        deliveries=1,
        fixed_per_source=1,
        folds=2,
        false_positive_rate=0.6,
        seed=3,
    )


def test_a_run_writes_weights_with_a_calibrated_card(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    (written,) = train.run(config, told.append)
    monkeypatch.setenv("FILIGRANE_WEIGHTS", config.output)
    card = find_card("detector-spectral")
    assert card == written
    assert calibrate.from_json(card.calibration, "here").n_real == 4
    assert card.trained_on["real"] == {"pictures": 8, "sources": 4}
    assert models.load(card).name == "spectral"
    assert any("fold 2" in line for line in told)


def test_equal_configurations_give_equal_weights(config: Config) -> None:
    first, second = (train.run(replace(config, work=f"{config.work}{n}"), lambda _: None) for n in (1, 2))
    assert first[0].sha256 == second[0].sha256


def test_a_stopped_pass_goes_on_where_it_was(config: Config) -> None:
    entries = corpus.entries(Path(config.corpora[0]))
    learner, plan = Mean(), Plan(turns=2, fixed=1, seed=1)
    first = described(learner, entries, plan, Path(config.work), lambda _: None)  # type: ignore[arg-type]
    looked = learner.looked
    again = described(learner, entries, plan, Path(config.work), lambda _: None)  # type: ignore[arg-type]
    assert looked and learner.looked == looked
    np.testing.assert_array_equal(first.features, again.features)
    other = described(learner, entries, replace(plan, seed=2), Path(config.work), lambda _: None)  # type: ignore[arg-type]
    assert learner.looked == 2 * looked
    assert not np.array_equal(first.features, other.features)


@pytest.mark.parametrize("change", ["file", "long side", "choice", "crops"])
def test_what_changes_the_numbers_is_looked_at_again(
    config: Config, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries, learner, plan = corpus.entries(Path(config.corpora[0])), Mean(), Plan(turns=1, fixed=1, seed=1)
    described(learner, entries, plan, Path(config.work), lambda _: None)  # type: ignore[arg-type]
    looked = learner.looked
    if change == "file":
        path = entries[0].root / entries[0].file
        path.write_bytes(encode(np.zeros((64, 64, 3), np.uint8), "png"))
    elif change == "long side":
        entries = (replace(entries[0], long_side_px=5000), *entries[1:])
    elif change == "choice":
        plan = replace(plan, fixed=2)
    else:
        monkeypatch.setattr("filigrane.detector.judge.CROPS", 3)
    described(learner, entries, plan, Path(config.work), lambda _: None)  # type: ignore[arg-type]
    assert learner.looked > looked


def test_every_picture_is_seen_as_planned(config: Config) -> None:
    entries = corpus.entries(Path(config.corpora[0]))
    rows = described(Mean(), entries, Plan(2, 1, 1), Path(config.work), lambda _: None)  # type: ignore[arg-type]
    assert (rows.delivery == RANDOM).sum() == 2 * len(entries)
    assert {name: int((rows.delivery == name).sum()) for name in ("clean", "web", "hard")} == dict.fromkeys(
        ("clean", "web", "hard"), 8
    )


def test_folds_keep_groups_together(config: Config, rng: np.random.Generator) -> None:
    entries = corpus.entries(Path(config.corpora[0]))
    fold = train.folds(entries, 3, rng)
    assert set(fold.tolist()) == {0, 1, 2}
    assert len({(entry.group, number) for entry, number in zip(entries, fold.tolist(), strict=True)}) == 8


def test_a_configuration_file_is_read_from_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "detector.toml"
    path.write_text('corpora = ["data"]\nwork = "w"\noutput = "o"\n[models.spectral]\ntrees = 9\n')
    found = read_config(path)
    assert found.corpora == (str(tmp_path / "data"),)
    assert found.models == {"spectral": {"trees": 9}}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("corpora = 3", "corpora"),
        ("corpora = []", "corpora"),
        ("no_such_option = 1", "no_such_option"),
        ("models = 3", "models"),
        ("folds = 1", "folds"),
        ("models.patches.deliveries = 'two'", "deliveries"),
        ("not toml", "line 1"),
    ],
)
def test_a_configuration_that_is_none_is_told(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "detector.toml"
    needed = {"corpora": '["data"]', "work": '"w"', "output": '"o"'}
    path.write_text("\n".join([text, *(f"{name} = {value}" for name, value in needed.items() if name not in text)]))
    with pytest.raises(UsageError, match=rf"detector\.toml can't be used \(.*{why}"):
        read_config(path)
    path.unlink()
    with pytest.raises(UsageError, match=r"detector\.toml"):
        read_config(path)


def test_the_log_grows_line_by_line(tmp_path: Path) -> None:
    told: list[str] = []
    for line in ("one", "two"):
        train.log_to(tmp_path / "new" / "train.log", told.append)(line)
    kept = (tmp_path / "new" / "train.log").read_text().splitlines()
    assert [line.split(" ")[1] for line in kept] == told == ["one", "two"]
