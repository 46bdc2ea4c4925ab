"""Evaluations end to end: nothing scored twice, honest first lines, a page whole in itself, gates that fail."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from filigrane.app.evaluate import rebuild
from filigrane.cli import eval as command
from filigrane.cli.main import main
from filigrane.core.errors import UnreadableInput, UsageError
from filigrane.core.values import Pixels
from filigrane.eval import report as reports
from filigrane.eval.base import Fault, Progress, Sample, Tell, benchmark, ignore
from filigrane.eval.cache import Cache
from filigrane.eval.gallery import gallery
from filigrane.eval.metrics import Float
from filigrane.eval.panel import Scale
from filigrane.eval.scores import Scored, Scores
from filigrane.eval.sweep import Plan, Sweep
from filigrane.perturb.table import row

PROGRAM = """
import sys
from PIL import Image
with Image.open(sys.argv[1]) as image:
    print(image.convert("L").resize((1, 1)).getpixel((0, 0)) / 50 - 2.5)
"""


def _save(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark real pictures and light AI ones of two generators, 12 of each, and one broken file."""
    root, rng = tmp_path_factory.mktemp("tree") / "set", np.random.default_rng(7)
    for place, level in (("photo/real", 90), ("sdxl/fake", 150), ("flux/fake", 130)):
        for i in range(12):
            noise = rng.normal(level + rng.normal(0, 25), 20, (32, 40, 3))
            _save(root / place / f"{i:02}.png", np.clip(noise, 0, 255).astype(np.uint8))
    (root / "sdxl/fake/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    return root


class _Mean:
    """Scores by brightness, and counts how many pictures it was asked about; may die after some."""

    name, hash, scale = "mean", "mean-1", "llr"
    threshold: float | None = 0.0

    def __init__(self, die_after: int = 10**9) -> None:
        self.asked, self._die_after = 0, die_after

    def score(self, pictures: Sequence[Pixels]) -> Float:
        self.asked += len(pictures)
        if self.asked > self._die_after:
            raise KeyboardInterrupt
        return np.array([picture.mean() / 50 - 2.2 for picture in pictures])


DELIVERIES = (row("none"), row("jpeg-50"), row("random_crop-0.75"))


def _ignore(state: Progress) -> None:
    pass


def test_a_killed_run_resumes_without_scoring_anything_twice(tree: Path, tmp_path: Path) -> None:
    plan, told = Plan(DELIVERIES, batch=6), list[Fault]()
    first, second, third = _Mean(die_after=50), _Mean(), _Mean()
    found = benchmark("folder", tree)
    with pytest.raises(KeyboardInterrupt), Cache(tmp_path / "c.sqlite") as cache:
        Sweep(found, first, plan, cache).run(told.append, _ignore)
    with Cache(tmp_path / "c.sqlite") as cache:
        resumed = Sweep(found, second, plan, cache).run(told.append, _ignore)
        again = Sweep(found, third, plan, cache).run(told.append, _ignore)
    assert second.asked + (first.asked - 6) == 36 * 3, "the batch in hand is lost, no other"
    assert third.asked == 0
    with Cache(tmp_path / "fresh.sqlite") as cache:
        straight = Sweep(found, _Mean(), plan, cache).run(told.append, _ignore)
    for other in (again, straight):
        assert np.array_equal(other.scores.score, resumed.scores.score)
        assert list(other.scores.delivery) == list(resumed.scores.delivery)
    assert any(fault.where.endswith("broken.png") for fault in told)


@pytest.mark.parametrize("batch", [1, 4])
def test_no_more_pictures_are_held_than_a_batch(tree: Path, tmp_path: Path, batch: int) -> None:
    sizes: list[int] = []

    class Watching(_Mean):
        def score(self, pictures: Sequence[Pixels]) -> Float:
            sizes.append(len(pictures))
            return super().score(pictures)

    with Cache(tmp_path / "c.sqlite") as cache:
        Sweep(benchmark("folder", tree), Watching(), Plan(DELIVERIES, batch=batch), cache).run(lambda f: None, _ignore)
    assert sum(sizes) == 36 * 3
    assert max(sizes) == batch


def test_scores_under_other_attacks_do_not_count(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for attacks, asked in (("one", 36), ("one", 0), ("other", 36)):
        monkeypatch.setattr("filigrane.eval.sweep.attacks_hash", lambda attacks=attacks: attacks)
        with Cache(tmp_path / "c.sqlite") as cache:
            scorer = _Mean()
            Sweep(benchmark("folder", tree), scorer, Plan(DELIVERIES[:1]), cache).run(lambda f: None, _ignore)
        assert scorer.asked == asked


def test_progress_counts_up_and_estimates(tree: Path, tmp_path: Path) -> None:
    states: list[Progress] = []
    with Cache(tmp_path / "c.sqlite") as cache:
        Sweep(benchmark("folder", tree), _Mean(), Plan(DELIVERIES[:1]), cache).run(lambda fault: None, states.append)
    assert [state.done for state in states] == list(range(1, 38))
    assert states[0].total == 37
    assert states[0].remaining_s is not None
    assert states[-1].remaining_s == 0
    assert Progress(5, None, 0, 1.0).remaining_s is None


def test_a_limit_takes_so_many_of_each_generator_and_kind(tree: Path, tmp_path: Path) -> None:
    with Cache(tmp_path / "c.sqlite") as cache:
        found = Sweep(benchmark("folder", tree), _Mean(), Plan(DELIVERIES[:1], limit=3), cache)
        assert len(found.run(lambda fault: None, _ignore).scores) == 9


class _Picky(_Mean):
    """Fails on whole batches, on light pictures, and answers nothing for one."""

    def score(self, pictures: Sequence[Pixels]) -> Float:
        if len(pictures) > 1 or pictures[0].mean() > 150:
            raise UnreadableInput("too light for me")
        return np.array([np.nan if pictures[0].mean() < 60 else 1.0])


def test_pictures_that_a_detector_cannot_score_are_told_and_left_out(tree: Path, tmp_path: Path) -> None:
    told: list[Fault] = []
    with Cache(tmp_path / "c.sqlite") as cache:
        swept = Sweep(benchmark("folder", tree), _Picky(), Plan(DELIVERIES[:1]), cache).run(told.append, _ignore)
    assert 0 < len(swept.scores) < 36
    assert len(swept.scores) + sum("none" in fault.where for fault in told) == 36


def test_scores_survive_parquet(tree: Path, tmp_path: Path) -> None:
    with Cache(tmp_path / "c.sqlite") as cache:
        scores = Sweep(benchmark("folder", tree), _Mean(), Plan(DELIVERIES), cache).run(lambda f: None, _ignore).scores
    scores.save(tmp_path / "s.parquet")
    loaded = Scores.load(tmp_path / "s.parquet")
    assert list(loaded.id) == list(scores.id)
    assert np.array_equal(loaded.score, scores.score)
    assert list(loaded.generator) == list(scores.generator)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(UnreadableInput, match="not a table of scores"):
        Scores.load(tmp_path / "bad.parquet")


def test_a_file_that_is_no_cache_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "c.sqlite").write_bytes(b"something else entirely" * 100)
    with pytest.raises(UsageError, match="cache"):
        Cache(tmp_path / "c.sqlite")


def _run(*words: str) -> tuple[int, str]:
    app = typer.Typer()
    app.callback()(lambda: None)
    command.register(app)
    result = CliRunner().invoke(app, ["eval", *words], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def evaluated(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("evaluated")
    (tmp_path / "prog.py").write_text(PROGRAM)
    program = f"{sys.executable} {tmp_path}/prog.py {{path}}"
    folder = tmp_path / "out"
    code, text = _run(
        "detector", str(tree), "--command", program, "--scale", "llr", "-o", str(folder), "--min-auc", "0.6"
    )
    assert code == 0, text
    assert "auc" in text
    return folder


def test_a_run_leaves_results_scores_page_and_card_that_agree(evaluated: Path) -> None:
    report = reports.load(evaluated)
    value = next(item for item in report.rows if item.metric == "auc" and item.group == "delivery=none").value
    assert value is not None
    page = (evaluated / reports.PAGE).read_text()
    card = (evaluated / reports.CARD).read_text()
    assert f"{value:.3f}" in page
    assert f"{value:.3f}" in card
    assert report.config["n_ai"] == 24
    assert "licences: your own" in card
    assert "seed" in report.environment
    assert len(Scores.load(evaluated / reports.SAMPLES)) == 36
    assert any("broken.png" in str(remark) for remark in report.warnings)


def test_the_page_is_whole_in_itself_and_has_every_chart(evaluated: Path) -> None:
    page = (evaluated / reports.PAGE).read_text()
    assert not re.search(r"<script|<link|@import|src=\"(?!data:)|url\(", page)
    headings = re.findall(r"<h3>(.*?)</h3>", page)
    wanted = ("ROC", "Precision and recall", "Error trade-off (DET)", "Scores", "Reliability", "Risk and coverage")
    assert set(wanted) <= set(headings)
    assert page.count("data:image/jpeg;base64,") == 16
    assert page.index("Mind this.") < page.index("<h2>")


def test_the_gallery_looks_no_further_than_it_must(tree: Path) -> None:
    found = benchmark("folder", tree)
    wanted = list(found.samples("", ignore))[:3]

    class Long:
        name, about = found.name, found.about

        def samples(self, split: str, tell: Tell) -> Iterator[Sample]:
            yield from wanted
            raise AssertionError("all that is shown was there already")

    scores = Scores.of(Scored(sample.id, sample.id, sample.label, 0.5) for sample in wanted)
    assert len(gallery(Long(), Plan(DELIVERIES[:1]), scores, Scale())) == 3


def test_names_in_the_page_are_text_and_not_markup(tree: Path, tmp_path: Path, home: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(tree / "flux", root / "<script>alert(1)<")
    shutil.copytree(tree / "photo", root / "a&b")
    (tmp_path / "prog.py").write_text(PROGRAM)
    program = f"{sys.executable} {tmp_path}/prog.py {{path}}"
    _run("detector", str(root), "--command", program, "--limit", "3", "--scale", "llr", "-o", str(tmp_path / "o"))
    page = (tmp_path / "o" / reports.PAGE).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_rebuilding_gives_the_same_page(evaluated: Path) -> None:
    before = (evaluated / reports.PAGE).read_text()
    (evaluated / reports.PAGE).unlink()
    rebuild(evaluated)
    assert (evaluated / reports.PAGE).read_text() == before


def test_results_are_compared_in_plain_words(evaluated: Path, tmp_path: Path) -> None:
    code, text = _run("compare", str(evaluated), str(evaluated), "-o", str(tmp_path / "c.json"))
    assert code == 0
    assert "includes zero" in text
    assert json.loads((tmp_path / "c.json").read_text())["differences"][0]["metric"] == "auc"


def test_a_figure_that_is_missed_ends_with_one(tree: Path, tmp_path: Path, home: Path) -> None:
    (tmp_path / "prog.py").write_text("print(0.5)")
    program = f"{sys.executable} {tmp_path}/prog.py {{path}}"
    code, text = _run(
        "detector", str(tree), "--command", program, "--limit", "2", "-o", str(tmp_path / "o"), "--min-auc", "0.9"
    )
    assert code == 1
    assert "auc (delivery=none) is 0.5000, under 0.9" in text


def test_one_generator_is_also_the_worst(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree / "photo", tmp_path / "set/photo")
    shutil.copytree(tree / "sdxl", tmp_path / "set/sdxl")
    (tmp_path / "prog.py").write_text(PROGRAM)
    program = f"{sys.executable} {tmp_path}/prog.py {{path}}"
    words = ("--command", program, "-o", str(tmp_path / "o"), "--min-worst-auc")
    assert _run("detector", str(tmp_path / "set"), *words, "0.5")[0] == 0
    code, text = _run("detector", str(tmp_path / "set"), *words, "1.0")
    assert code == 1
    assert "auc_worst (delivery=none) is" in text


def test_the_search_for_duplicates_never_says_that_it_found_none_where_it_read_none(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_text("print(0.5)")
    (tmp_path / "train/real").mkdir(parents=True)
    program = f"{sys.executable} {tmp_path}/prog.py {{path}}"
    words = ("detector", str(tree), "--command", program, "--limit", "2", "-o", str(tmp_path / "o"), "--train")
    with pytest.raises(UsageError, match=r"no-such-folder"):
        _run(*words, f"folder:{tmp_path}/no-such-folder")
    with pytest.raises(UsageError, match=r"training set .+train could be read"):
        _run(*words, f"folder:{tmp_path}/train")
    (tmp_path / "train/real/broken.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"broken\.png"):
        _run(*words, f"folder:{tmp_path}/train")
    shutil.copy(tree / "photo/real/00.png", tmp_path / "train/real")
    code, text = _run(*words, f"folder:{tmp_path}/train")
    assert code == 0
    assert "1 of 6 test pictures are also in the training set" in text
    assert "broken.png" in text


@pytest.mark.parametrize("row_", ["jpeg-abc", "jpeg", "jpeg-0", "jpeg-nan", "median-4", "median", "crop-2"])
def test_a_row_that_means_nothing_is_a_usage_error(row_: str, tree: Path, tmp_path: Path) -> None:
    words = ("detector", str(tree), "--command", f"{sys.executable} {{path}}", "-o", str(tmp_path / "o"))
    with pytest.raises(UsageError, match=row_.partition("-")[0]):
        _run(*words, "--deliveries", row_)


def test_results_cannot_be_put_into_a_file(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for output in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(UsageError, match="folder of results"):
            _run("detector", str(tree), "--command", f"{sys.executable} {{path}}", "-o", str(output))
    assert (tmp_path / "file").read_text() == "mine"


def test_an_error_of_the_system_is_one_sentence(
    evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    assert main(["eval", "compare", str(evaluated), str(evaluated), "-o", str(tmp_path / "folder")]) == 4
    error = capsys.readouterr().err
    assert error.startswith("filigrane: ") and error.count("\n") == 1
    assert str(tmp_path / "folder") in error


def test_folders_without_a_report_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="evaluation wrote"):
        rebuild(tmp_path)


def test_every_layout_is_listed() -> None:
    code, text = _run("list")
    assert code == 0
    assert "genimage" in text
    assert "webdataset" in text
