"""The compliance report: each rule finds its mark or field where it stands, and says so where it does not."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from filigrane.app.comply import Complied, examine, exit_code, to_html, to_json
from filigrane.app.comply_rules import PROFILES, State
from filigrane.app.keys import init_keys
from filigrane.app.mark_job import Facts, MarkJob, run
from filigrane.cli.comply import comply, register
from filigrane.cli.main import main
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
    Image.open(files / "stripped.png").save(files / "plain.jpg", quality=90)
    facts = Facts("Hills", SourceType.TRAINED_ALGORITHMIC_MEDIA, "Test house", "Brush", "2.1")
    (marked,) = run(MarkJob((str(files / "plain.jpg"),), files / "marked.jpg", facts), settings)
    assert not marked.error
    assert states(files / "marked.jpg", "eu-ai-act", settings)["signed metadata"][0] is State.FOUND
    data = bytearray((files / "marked.jpg").read_bytes())
    at = next(at for at in range(len(data) - 200, 0, -1) if 0 < data[at] < 0xF0 and data[at - 1] != 0xFF)
    data[at] ^= 1
    (files / "marked.jpg").write_bytes(data)
    found = states(files / "marked.jpg", "eu-ai-act", settings)
    assert found["signed metadata"][0] is State.MISSING and "does not hold" in found["signed metadata"][1]


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


@pytest.mark.parametrize("format", ["table", "json", "html"])
def test_a_name_that_is_no_text_is_written_too(format: str, tmp_path: Path, home: Path) -> None:
    (tmp_path / "caf\udce9.png").write_bytes(b"no picture")
    assert main(["comply", str(tmp_path / "caf\udce9.png"), "--format", format, "-o", str(tmp_path / "report")]) == 3
    assert "caf" in (tmp_path / "report").read_text(encoding="utf-8")


def test_colours_go_to_a_terminal_and_never_into_a_file(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for output in (None, tmp_path / "report"):
        monkeypatch.setattr(sys, "stdout", terminal := Terminal())
        with pytest.raises(typer.Exit):
            comply([str(files / "marked.png")], "tc260", output=output)
        written = output.read_text(encoding="utf-8") if output is not None else terminal.getvalue()
        assert "Implicit label" in written and ("\x1b" in written) == (output is None)
