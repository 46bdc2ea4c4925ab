"""The yardstick of watermarks end to end: what comes back is counted once, refusals are told, curves are drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from filigrane.app.evaluate import rebuild
from filigrane.cli import eval as command
from filigrane.core.errors import MissingExtra, UsageError
from filigrane.core.image import Limits
from filigrane.core.values import Pixels, Reading
from filigrane.eval import report as reports
from filigrane.eval.base import Fault, Progress
from filigrane.eval.cache import Cache
from filigrane.eval.watermarks import MarkSweep, judged
from filigrane.perturb.table import row


def _run(*words: str) -> tuple[int, str]:
    app = typer.Typer()
    app.callback()(lambda: None)
    command.register(app)
    result = CliRunner().invoke(app, ["eval", *words], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def _ignore(state: Progress) -> None:
    pass


class _Plain:
    """A mark of 8 bits in the top row, exact and fragile; refuses pictures under 40 pixels wide."""

    name, payload_bits, can_embed, hash = "plain", 8, True, "plain-1"
    variants: tuple[str, ...] = ()

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
        Image.fromarray(scene[i * 10 :, : 30 if i == 3 else 200]).save(path)
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


@pytest.mark.parametrize("changed", ["attacks", "method", "seed"])
def test_trials_of_other_attacks_methods_or_messages_do_not_count(
    changed: str, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = []
    for turn in range(2):
        method = _Plain()
        if turn and changed == "method":
            monkeypatch.setattr(_Plain, "hash", "plain-2")
        if turn and changed == "attacks":
            monkeypatch.setattr("filigrane.eval.watermarks.attacks_hash", lambda: "others")
        seed = turn if changed == "seed" else 0
        with Cache(tmp_path / "c.sqlite") as cache:
            MarkSweep({"plain": method}, (row("none"),), cache, seed=seed, limits=Limits()).run(
                photos, lambda f: None, _ignore
            )
        embedded.append(method.embedded)
    assert embedded == [3, 3]


def test_a_method_that_only_reads_is_refused_and_not_dropped(photos: list[Path], tmp_path: Path) -> None:
    words = ("watermark", "--images", str(photos[0].parent), "-o", str(tmp_path / "o"))
    with pytest.raises(UsageError, match="sd_dwtdct can't embed"):
        _run(*words, "--methods", "spread,sd_dwtdct")


def test_without_names_every_variant_that_is_installed_is_measured(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def loaded(name: str) -> _Plain:
        asked.append(name)
        if name in ("blind_watermark", "trustmark"):
            raise MissingExtra(name, "package")
        method = _Plain()
        method.can_embed = name != "sd_dwtdct"
        method.variants = ("a", "b") if name == "invisible_watermark" else ()
        return method

    monkeypatch.setattr("filigrane.app.evaluate.load", loaded)
    code, text = _run("watermark", "--images", str(photos[0].parent), "--attacks", "none", "-o", str(tmp_path / "o"))
    assert code == 0
    assert "sd_dwtdct" in asked
    methods = reports.load(tmp_path / "o").config["methods"]
    assert methods == {"invisible_watermark:a": 8, "invisible_watermark:b": 8, "spread": 8}
    assert "trustmark" in text


def test_pictures_none_of_which_can_be_read_are_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    words = ("watermark", "--images", str(tmp_path / "set"), "--methods", "spread", "-o", str(tmp_path / "o"))
    with pytest.raises(UsageError, match="no picture"):
        _run(*words)
    (tmp_path / "set/a.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"could be read.*a\.png"):
        _run(*words)


def test_a_reading_is_judged_by_its_own_proof_or_by_its_bits() -> None:
    assert judged(Reading(payload=None, p_value=1.0), 5, 64) == (0.5, 1.0)
    assert judged(Reading(payload=5, p_value=1e-8), 5, 64) == pytest.approx((1.0, 2.0**-64))
    share, p_value = judged(Reading(payload=5 ^ 0b111, p_value=1.0), 5, 32)
    assert share == pytest.approx(29 / 32)
    assert p_value == pytest.approx(sum((1, 32, 496, 4960)) / 2**32)


def test_the_yardstick_runs_from_the_command_line(tmp_path: Path, scene: Pixels, home: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(scene).save(tmp_path / "photos/a.png")
    words = ("--images", str(tmp_path / "photos"), "--methods", "spread", "--attacks", "none,jpeg-75,jpeg-50")
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
    page, card = ((tmp_path / "o" / name).read_text() for name in (reports.PAGE, reports.CARD))
    assert "jpeg-75" in page and "jpeg-75" in card
    assert re.findall(r"<h3>(.*?)</h3>", page) == ["Robustness to jpeg"]
    for name in (reports.PAGE, reports.CARD):
        (tmp_path / "o" / name).unlink()
    rebuild(tmp_path / "o")
    assert ((tmp_path / "o" / reports.PAGE).read_text(), (tmp_path / "o" / reports.CARD).read_text()) == (page, card)
