"""The tour: what is drawn is told as AI, a photo is not accused, and a stripped picture leads back to its manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from filigrane.cli.main import main
from filigrane.core.errors import UsageError
from filigrane.core.values import Label

pytest.importorskip("diffusers")
pytest.importorskip("skimage")

from filigrane.app.demo import PROMPTS, Step, tour, write_report
from filigrane.generator.models import builtin


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    if not (builtin.WEIGHTS / builtin.CARD).is_file():
        pytest.skip("this checkout ships no weights of the built-in generator")
    return list(tour(tmp_path_factory.mktemp("demo") / "tour"))


def labels(steps: list[Step]) -> list[Label]:
    return [step.scanned.verdict.label for step in steps if step.scanned is not None and step.scanned.verdict]


def test_three_pictures_are_told_by_manifest_metadata_and_both_marks(steps: list[Step]) -> None:
    drawn = steps[: len(PROMPTS)]
    assert labels(drawn) == [Label.AI_GENERATED] * 3
    for step in drawn:
        assert step.scanned is not None and step.scanned.verdict is not None
        found = {item.source for item in step.scanned.verdict.evidence if item.llr > 0}
        assert found >= {"manifest", "metadata", "watermark", "latent"}


def test_the_photo_is_not_accused_and_the_stripped_picture_comes_back(steps: list[Step]) -> None:
    assert labels(steps)[-1] is Label.NO_EVIDENCE_OF_AI
    recovered = next(step.told for step in steps if step.told and step.scanned is None)
    assert "recovered" in recovered and "signature holds" in recovered


def test_a_changed_byte_is_told(steps: list[Step]) -> None:
    tampered = next(step for step in steps if step.path.name == "tampered.jpg")
    assert tampered.scanned is not None and tampered.scanned.verdict is not None
    assert any("changed after" in conflict for conflict in tampered.scanned.verdict.conflicts)


def test_the_report_names_every_scan(steps: list[Step]) -> None:
    page = write_report(steps[0].path.parent, steps).read_text(encoding="utf-8")
    assert page.count("<article") == sum(step.scanned is not None for step in steps)


def test_a_folder_with_files_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="files of yours"):
        next(tour(tmp_path))
    assert main(["demo", "-o", str(tmp_path)]) == UsageError.exit_code
    with pytest.raises(UsageError, match="can't be a folder"):
        next(tour(tmp_path / "mine.txt"))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
