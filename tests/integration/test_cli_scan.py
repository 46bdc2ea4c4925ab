"""The command line as people use it: exit codes, forms, resuming, quarantine, privacy."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from filigrane.app.runtime import Runtime
from filigrane.app.scan_job import ScanJob, Tally, count, run
from filigrane.cli.main import main
from filigrane.core.parallel import GuardedPool
from filigrane.core.settings import load
from filigrane.core.values import Label

PARAMETERS = "a red apple\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Model: small"

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def folder(tmp_path: Path, scene: NDArray[np.uint8]) -> Path:
    """An ordinary photo with a place in its metadata, a picture that names its generator, and a broken file."""
    folder = tmp_path / "in"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "EOS R5"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 14.0), 3: "E", 4: (11.0, 34.0, 31.0)})
    Image.fromarray(scene).save(folder / "photo.jpg", exif=exif)
    info = PngInfo()
    info.add_text("parameters", PARAMETERS)
    Image.fromarray(scene).save(folder / "made.png", pnginfo=info)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0broken")
    return folder


def records(capfdbinary: pytest.CaptureFixture[bytes]) -> dict[str, dict[str, dict[str, object]]]:
    lines = capfdbinary.readouterr().out.splitlines()
    return {Path(record["path"]).name: record for record in map(json.loads, lines)}


def test_a_folder_gives_a_verdict_or_a_sentence_for_each_file(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["scan", str(folder), "--format", "jsonl"]) == 3
    found = records(capfdbinary)
    assert found["made.png"]["verdict"]["label"] == "ai_generated"
    assert found["photo.jpg"]["verdict"]["label"] == "no_evidence_of_ai"
    assert found["broken.jpg"]["verdict"] is None
    assert str(found["broken.jpg"]["error"]["message"]).endswith(".")
    assert found["made.png"]["width_px"] == 320
    assert found["made.png"]["height_px"] == 240


def test_fail_on_gives_exit_code_1_and_only_for_findings(folder: Path) -> None:
    arguments = ["scan", "--fail-on", "likely-ai", "--format", "json"]
    assert main([*arguments, str(folder / "made.png")]) == 1
    assert main([*arguments, str(folder / "photo.jpg")]) == 0
    assert main(["scan", str(folder / "made.png")]) == 0


def test_places_and_names_show_only_when_asked(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    arguments = ["scan", str(folder / "photo.jpg"), "--format", "json"]
    main(arguments)
    assert b"48 8 14" not in (hidden := capfdbinary.readouterr().out)
    assert b"redacted" in hidden
    main([*arguments, "--show-personal"])
    assert b"48 8 14" in capfdbinary.readouterr().out


def test_standard_input_and_archives(folder: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(folder / "made.png", "inner/made.png")
    assert main(["scan", str(tmp_path / "x.zip"), "--format", "jsonl"]) == 0
    assert [*records(capfdbinary)] == ["made.png"]
    command = [sys.executable, "-m", "filigrane", "scan", "-", "--format", "json"]
    done = subprocess.run(command, input=(folder / "made.png").read_bytes(), capture_output=True, check=True)
    assert json.loads(done.stdout)[0]["verdict"]["label"] == "ai_generated"


def test_only_the_asked_sources_answer(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    main(["scan", str(folder / "made.png"), "--format", "jsonl", "--sources", "manifest"])
    (record,) = records(capfdbinary).values()
    assert [item["source"] for item in record["evidence"]] == ["manifest"]  # type: ignore[index]
    assert record["verdict"]["label"] == "no_evidence_of_ai"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scan", "nowhere.jpg"], "nowhere.jpg"),
        (["scan", ".", "--format", "xml"], "jsonl"),
        (["scan", ".", "--sources", "oracle"], "metadata"),
        (["scan", ".", "--fail-on", "real"], "ai-generated"),
        (["scan", ".", "--resume"], "-o"),
        (["scan", ".", "--prior", "2"], "prior"),
        (["scan", ".", "-o", "no/such/folder/out.json"], "no/such/folder"),
        (["scan", "--colour"], "--colour"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with contextlib.chdir(tmp_path):
        assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_quarantine_moves_findings_and_overwrites_nothing(folder: Path, tmp_path: Path) -> None:
    jail = tmp_path / "jail"
    jail.mkdir()
    (jail / "made.png").write_bytes(b"someone else's")
    output = tmp_path / "out.jsonl"
    assert main(["scan", str(folder), "--format", "jsonl", "-o", str(output), "--quarantine-dir", str(jail)]) == 3
    assert not (folder / "made.png").exists()
    assert (jail / "made.png").read_bytes() == b"someone else's"
    moved = {json.loads(line).get("quarantined_to") for line in output.read_text().splitlines()}
    assert moved == {None, str(jail / "made-1.png")}
    assert (folder / "photo.jpg").exists()


def test_a_killed_scan_resumes_with_every_picture_once(tmp_path: Path, scene: NDArray[np.uint8], home: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    stream = io.BytesIO()
    Image.fromarray(scene).save(stream, "JPEG")
    for number in range(400):
        (folder / f"{number:04}.jpg").write_bytes(stream.getvalue())
    output = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "filigrane", "scan", str(folder), "--format", "jsonl", "-o", str(output)]
    with subprocess.Popen(command, env={**os.environ, "FILIGRANE_HOME": str(home)}) as process:
        journal = tmp_path / "out.jsonl.journal"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not journal.exists() or journal.read_bytes().count(b"\n") < 30):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    before = journal.read_bytes().count(b"\n") - 1
    assert 0 < before < 400
    assert not output.exists()
    assert main([*command[3:], "--resume"]) == 0
    paths = [json.loads(line)["path"] for line in output.read_text().splitlines()]
    assert sorted(paths) == sorted(str(path) for path in folder.iterdir())
    assert not journal.exists()


def test_help_imports_nothing_heavy() -> None:
    heavy = {"torch", "diffusers", "timm", "numpy", "PIL", "c2pa", "pydantic", "sqlalchemy"}
    code = (
        f"import sys; from filigrane.cli.main import main; main(['--help']); print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "scan" in done.stdout
    assert done.stdout.strip().endswith("[]")


def test_doctor_tells_what_is_there(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert main(["doctor", "--json"]) == 0
    checks = json.loads(capsys.readouterr().out)
    topics = {check["topic"] for check in checks}
    assert {"packages", "keys", "trust", "settings"} <= topics
    assert any(check["name"] == "home" and "environment" in check["state"] for check in checks)


def test_what_people_wrote_of_themselves_beside_parameters_shows_only_when_asked(
    tmp_path: Path, scene: NDArray[np.uint8], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    info = PngInfo()
    info.add_text("fooocus_scheme", "fooocus")
    told = {"prompt": "a duck", "base_model": "m", "created_by": "Ada Lovelace", "version": "Fooocus v2.5.5"}
    info.add_text("parameters", json.dumps(told))
    Image.fromarray(scene).save(tmp_path / "made.png", pnginfo=info)
    for form in ("json", "csv", "html", "sarif", "table"):
        assert main(["scan", str(tmp_path / "made.png"), "--format", form, "--sources", "metadata"]) == 0
        assert b"Lovelace" not in capfdbinary.readouterr().out
    main(["scan", str(tmp_path / "made.png"), "--format", "json", "--show-personal"])
    assert b"Lovelace" in capfdbinary.readouterr().out


def test_a_name_that_is_no_text_is_scanned_like_any_other(
    folder: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    odd = tmp_path / "caf\udce9.png"
    (folder / "made.png").rename(odd)
    assert main(["scan", str(odd), "--format", "jsonl", "--sources", "metadata"]) == 0
    assert [*records(capfdbinary)] == ["caf\\udce9.png"]
    output = tmp_path / "out.json"
    assert main(["scan", str(odd), "--format", "json", "-o", str(output), "--sources", "metadata"]) == 0
    assert json.loads(output.read_text())[0]["verdict"]["label"] == "ai_generated"


def test_a_scan_that_could_not_start_is_not_in_the_way_of_the_next(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    assert main(["scan", "nowhere.png", "--format", "json", "-o", str(output)]) == 2
    assert main(["scan", str(folder / "made.png"), "--format", "json", "-o", str(output)]) == 0


def test_what_can_not_be_written_or_weighed_is_told_before_the_scan(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan", str(folder), "-o", str(folder)]) == 2
    assert main(["scan", str(folder), "--quarantine-dir", str(folder)]) == 2
    monkeypatch.setenv("FILIGRANE_POLICY", "nowhere.json")
    assert main(["scan", str(folder)]) == 2
    assert "nowhere.json" in capsys.readouterr().err
    assert [*tmp_path.glob("*.journal"), *tmp_path.glob("*.part")] == []


def test_a_quarantine_inside_the_folder_is_not_scanned(folder: Path, tmp_path: Path) -> None:
    jail, output = folder / "z" / "jail", tmp_path / "out.jsonl"
    jail.mkdir(parents=True)
    command = ["scan", str(folder), "--format", "jsonl", "-o", str(output), "--quarantine-dir", str(jail)]
    for _ in range(2):
        assert main([*command, "--sources", "metadata"]) == 3
        assert [path.name for path in jail.iterdir()] == ["made.png"]


def test_inputs_that_counting_would_use_up_are_not_counted(folder: Path, tmp_path: Path) -> None:
    runtime = Runtime(load())
    assert count(ScanJob((str(folder),)), runtime) == 3
    assert count(ScanJob(("@list",)), runtime) is None
    assert count(ScanJob(("-",)), runtime) is None


def test_no_more_workers_start_than_there_are_pictures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    starting = GuardedPool.__init__

    def counting(self: GuardedPool, workers: int, memory_bytes: int, timeout_s: float) -> None:
        started.append(workers)
        starting(self, workers, memory_bytes, timeout_s)

    monkeypatch.setattr(GuardedPool, "__init__", counting)
    assert main(["scan", str(folder / "made.png"), "--workers", "8", "--sources", "metadata"]) == 0
    assert started == [1]


@pytest.mark.parametrize("ending", [">&-", "| true", "> /dev/full"])
def test_a_reader_that_is_gone_gets_no_traceback(ending: str) -> None:
    command = f"set -o pipefail; {sys.executable} -m filigrane models list --json {ending}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    # Written into a pipe before its reader left, the list is done.
    assert done.returncode in {">&-": (0,), "| true": (0, 141), "> /dev/full": (4,)}[ending]


def test_a_reader_that_leaves_early_ends_the_scan_like_any_other_tool(folder: Path) -> None:
    class Gone(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    stream = io.TextIOWrapper(io.BufferedWriter(Gone(), 1))
    with contextlib.redirect_stdout(stream):
        assert main(["scan", str(folder / "made.png"), "--format", "jsonl", "--sources", "metadata"]) == 141
    with contextlib.suppress(BrokenPipeError):
        stream.close()


def test_sentences_carry_nothing_that_a_terminal_obeys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover", str(tmp_path / "red\x1b[31m.png")]) == 3
    assert "\x1b" not in capsys.readouterr().err


def test_doctor_goes_on_where_an_anchor_list_is_damaged(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "trust").mkdir(parents=True)
    (home / "trust" / "bad.pem").write_bytes(b"nothing")
    assert main(["doctor", "--json"]) == 4
    checks = json.loads(capsys.readouterr().out)
    assert [check["ok"] for check in checks if check["topic"] == "trust"] == [False]
    assert any(check["topic"] == "settings" for check in checks)


def test_doctor_keeps_passwords_to_itself(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FILIGRANE_REGISTRY_URL", "postgresql://ada:secret@db.example/marks")
    main(["doctor", "--json"])
    told = capsys.readouterr().out
    assert "secret" not in told and "postgresql://ada:***@db.example/marks" in told


def test_a_finding_that_is_gone_at_the_second_run_does_not_count(folder: Path, tmp_path: Path) -> None:
    output, odd = tmp_path / "out.jsonl", tmp_path / "pictures"
    odd.mkdir()
    (folder / "made.png").rename(odd / "a.png")
    job = ScanJob((str(odd),), "jsonl", output, fail_on=Label.LIKELY_AI)
    runtime = Runtime(load(), sources=("metadata",))

    def stopped(tally: Tally) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, runtime, io.BytesIO(), stopped)
    (folder / "photo.jpg").replace(odd / "a.png")
    tally = run(replace(job, resume=True), runtime, io.BytesIO(), lambda tally: None)
    assert (tally.done, tally.findings, tally.exit_code()) == (1, 0, 0)
