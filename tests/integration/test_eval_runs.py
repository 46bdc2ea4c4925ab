"""Evaluations end to end: nothing scored twice, honest first lines, a page whole in itself, gates that fail."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from filigrane.app.evaluate import rebuild
from filigrane.cli import eval as command
from filigrane.core.errors import UnreadableInput, UsageError
from filigrane.core.image import Limits
from filigrane.core.values import Pixels, Reading
from filigrane.eval import report as reports
from filigrane.eval.base import Fault, Progress, benchmark
from filigrane.eval.cache import Cache
from filigrane.eval.metrics import Float
from filigrane.eval.scores import Scores
from filigrane.eval.sweep import Plan, Sweep
from filigrane.eval.watermarks import MarkSweep, judged
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


def test_folders_without_a_report_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="evaluation wrote"):
        rebuild(tmp_path)


def test_every_layout_is_listed() -> None:
    code, text = _run("list")
    assert code == 0
    assert "genimage" in text
    assert "webdataset" in text


class _Plain:
    """A mark of 8 bits in the top row, exact and fragile; refuses pictures under 40 pixels wide."""

    name, payload_bits, can_embed = "plain", 8, True

    def __init__(self) -> None:
        self.embedded = 0

    def embed(self, pixels: Pixels, payload: int) -> Pixels:
        from filigrane.core.errors import WatermarkError

        if pixels.shape[1] < 40:
            raise WatermarkError("too small")
        self.embedded += 1
        marked = pixels.copy()
        marked[0, :8] = [[255 * (payload >> i & 1)] * 3 for i in range(8)]
        return marked

    def read(self, pixels: Pixels) -> Reading:
        bits = pixels[0, :8, 0] > 127
        return Reading(payload=int(sum(int(bit) << i for i, bit in enumerate(bits))), p_value=1.0)


@pytest.fixture
def photos(tmp_path: Path, scene: Pixels) -> list[Path]:
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for i, path in enumerate(paths):
        _save(path, scene[i * 10 :, : 30 if i == 3 else 200])
    return paths


def test_watermark_trials_count_what_comes_back_and_are_cached(photos: list[Path], tmp_path: Path) -> None:
    attacks, told = (row("none"), row("flip-1"), row("jpeg-30")), list[Fault]()
    methods = [_Plain(), _Plain()]
    tables = []
    for method in methods:
        with Cache(tmp_path / "c.sqlite") as cache:
            sweep = MarkSweep({"plain": method}, attacks, cache, seed=1, limits=Limits())
            tables.append(sweep.run(photos, told.append, _ignore))
    assert tables[0] == tables[1]
    assert [method.embedded for method in methods] == [3, 0]
    rows = {(item.metric, item.group): item for item in tables[0].rows()}
    clean = rows["message_recovery", "method=plain;attack=none"]
    assert (clean.value, clean.n) == (0.75, 4), "the refused picture counts against the method"
    assert rows["tpr_at_fpr_1e-06", "method=plain;attack=none"].value == 0, "8 bits can't prove a rate of 1e-6"
    assert rows["message_recovery", "method=plain"].n == 12
    assert "1 pictures could not be marked" in rows["psnr_db", "method=plain"].note
    assert any("too small" in fault.explanation for fault in told)


def test_a_reading_is_judged_by_its_own_proof_or_by_its_bits() -> None:
    assert judged(Reading(payload=None, p_value=1.0), 5, 64) == (0.5, 1.0)
    assert judged(Reading(payload=5, p_value=1e-8), 5, 64) == pytest.approx((1.0, 2.0**-64))
    share, p_value = judged(Reading(payload=5 ^ 0b111, p_value=1.0), 5, 32)
    assert share == pytest.approx(29 / 32)
    assert p_value == pytest.approx(sum((1, 32, 496, 4960)) / 2**32)


def test_the_yardstick_runs_from_the_command_line(tmp_path: Path, scene: Pixels, home: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(scene).save(stream, "PNG")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes(stream.getvalue())
    words = ("--images", str(tmp_path / "photos"), "--methods", "spread", "--attacks", "none,jpeg-75")
    code, text = _run("watermark", *words, "-o", str(tmp_path / "o"), "--min-recovery", "0.4")
    assert code == 0, text
    assert "jpeg-75" in text
    report = reports.load(tmp_path / "o")
    assert {item.metric for item in report.rows} >= {
        "message_recovery",
        "psnr_db",
        "psnr_db_min",
        "ssim",
        "bit_accuracy",
    }
    assert "jpeg-75" in (tmp_path / "o" / reports.PAGE).read_text()
