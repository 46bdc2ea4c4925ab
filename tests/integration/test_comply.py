"""The compliance report: each rule finds its mark or field where it stands, and says so where it does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from filigrane.app.comply import Complied, examine, exit_code, to_html, to_json
from filigrane.app.comply_rules import PROFILES, State
from filigrane.app.keys import init_keys
from filigrane.app.mark_job import Facts, MarkJob, run
from filigrane.cli.comply import register
from filigrane.core.errors import UsageError
from filigrane.core.settings import Settings, load
from filigrane.core.values import Pixels
from filigrane.provenance.certificates import Algorithm, Holder
from filigrane.provenance.source_types import SourceType


@pytest.fixture
def settings(home: Path) -> Settings:
    made = load(workers=1)
    init_keys(made, Holder("Test house"), algorithm=Algorithm.ES256)
    return made


@pytest.fixture
def files(settings: Settings, tmp_path: Path, scene: Pixels) -> Path:
    """A folder with a picture that says all it can, the same without its metadata, and one that is broken."""
    folder = tmp_path / "out"
    folder.mkdir()
    Image.fromarray(scene).save(tmp_path / "plain.png")
    facts = Facts("Hills", SourceType.TRAINED_ALGORITHMIC_MEDIA, "Test house", "Brush", "2.1", tc260=True)
    (marked,) = run(MarkJob((str(tmp_path / "plain.png"),), folder / "marked.png", facts), settings)
    assert not marked.error
    Image.open(folder / "marked.png").convert("RGB").save(folder / "stripped.png")
    return folder


def states(path: Path, profile: str, settings: Settings) -> dict[str, tuple[State, str]]:
    (item,) = examine([str(path)], profile, settings)
    assert not item.error
    return {answer.rule: (answer.state, answer.told) for answer in item.answers}


def test_a_picture_that_says_all_meets_the_latent_disclosure(files: Path, settings: Settings) -> None:
    found = states(files / "marked.png", "sb942", settings)
    assert {state for state, _ in found.values()} == {State.FOUND}
    assert "Test house" in found["provider"][1] and "io.filigrane.disclosure" in found["provider"][1]
    assert "Brush" in found["system"][1] and "2.1" in found["version"][1]


def test_without_its_metadata_the_registry_still_answers(files: Path, settings: Settings) -> None:
    found = states(files / "stripped.png", "sb942", settings)
    assert {state for state, _ in found.values()} == {State.FOUND}
    assert all(found[name][1].startswith("registry") for name in ("provider", "system", "version", "time", "id"))


def test_the_two_layers_of_the_european_code_are_told_apart(files: Path, settings: Settings) -> None:
    whole, bare = (states(files / name, "eu-ai-act", settings) for name in ("marked.png", "stripped.png"))
    assert whole["declared"][0] is whole["signed metadata"][0] is whole["watermark"][0] is State.FOUND
    assert whole["time stamp"][0] is State.MISSING and "timestamp_url" in whole["time stamp"][1]
    assert bare["watermark"][0] is bare["traceable"][0] is State.FOUND
    assert bare["declared"][0] is bare["signed metadata"][0] is State.MISSING


def test_a_changed_byte_is_no_signed_metadata(files: Path, settings: Settings) -> None:
    data = bytearray((files / "marked.png").read_bytes())
    data[data.index(b"IDAT") + 2000] ^= 1
    (files / "marked.png").write_bytes(data)
    (item,) = examine([str(files / "marked.png")], "eu-ai-act", settings)
    assert item.error or "signed metadata" in item.missing


def test_the_chinese_label_is_read_field_by_field(files: Path, settings: Settings) -> None:
    found = states(files / "marked.png", "tc260", settings)
    assert found["label"][0] is found["producer"][0] is found["produce id"][0] is State.FOUND
    assert found["propagator"][0] is State.NOT_NEEDED and found["visible"][0] is State.BY_EYE
    assert states(files / "stripped.png", "tc260", settings)["label"][0] is State.MISSING


def test_an_ordinary_photo_meets_nothing(settings: Settings, tmp_path: Path, scene: Pixels) -> None:
    Image.fromarray(scene).save(tmp_path / "photo.jpg")
    for profile in PROFILES:
        found = states(tmp_path / "photo.jpg", profile, settings)
        assert State.FOUND not in {state for state, _ in found.values()}


def test_the_exit_code_tells_missing_from_unreadable() -> None:
    assert exit_code([]) == 0
    assert exit_code([Complied("a", error="broken.")]) == 3


def test_an_unknown_profile_and_an_empty_input_are_errors(settings: Settings) -> None:
    with pytest.raises(UsageError, match="sb942"):
        list(examine(["."], "gdpr", settings))
    with pytest.raises(UsageError, match="no file"):
        list(examine(["nowhere"], "sb942", settings))


def test_reports_hold_every_file_and_escape_what_files_say(files: Path, settings: Settings) -> None:
    (files / "<b>broken.jpg").write_bytes(b"\xff\xd8\xff\xe0broken")
    found = list(examine([str(files)], "sb942", settings))
    assert exit_code(found) == 3 and len(found) == 3
    report = json.loads(json.dumps(to_json(found, "sb942")))
    assert report["profile"] == "sb942" and len(report["files"]) == 3
    page = to_html(found, "sb942")
    assert "<b>broken" not in page and "&lt;b&gt;broken" in page and page.count("<article>") == 3


@pytest.mark.parametrize("format", ["table", "json", "html"])
def test_the_command_writes_every_form(format: str, files: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    arguments = ["comply", str(files / "marked.png"), "--profile", "tc260", "--format", format]
    printed = CliRunner().invoke(app, arguments)
    assert printed.exit_code == 0 and "Implicit label" in printed.stdout
    written = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "report")])
    assert written.exit_code == 0 and "Implicit label" in (tmp_path / "report").read_text(encoding="utf-8")
