"""The examples of docs/service.md, run as written against a server; its table of settings against the settings."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from filigrane.app.serving.settings import ServiceSettings, load_service
from filigrane.core.settings import load
from filigrane.service.testing import served, waves

PAGE = Path(__file__).parents[3] / "docs" / "service.md"
DEPLOY = PAGE.parents[1] / "deploy"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_examples_run_as_written(tmp_path: Path) -> None:
    if shutil.which("curl") is None or not Path(sys.executable).with_name("filigrane").exists():
        pytest.skip("curl or the installed command filigrane is absent")
    Image.fromarray(waves(3, 160, 120)).save(tmp_path / "picture.jpg", quality=90)
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.write(tmp_path / "picture.jpg", "one.jpg")
        archive.write(tmp_path / "picture.jpg", "two.jpg")
    settings = load(home=tmp_path / "home", workers=1)
    with served(settings, load_service(rate_per_minute=1_000_000, warm=False)) as url:
        (tmp_path / ".curlrc").write_text(f'connect-to = "localhost:8000:{urlsplit(url).netloc}"\n')
        environment = {
            **os.environ,
            "CURL_HOME": str(tmp_path),
            "FILIGRANE_HOME": str(settings.home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        script = "\necho ---\n".join(blocks("bash"))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr + done.stdout
        for example in blocks("python"):
            made: dict[str, object] = {}
            exec(example.replace("http://localhost:8000", url), made)
            assert "made" in made
    told = done.stdout.split("---\n")
    assert len(told) == len(blocks("bash")) > 8
    assert "event: finished" in done.stdout and '"two.jpg"' in done.stdout and "the same" in done.stdout
    assert json.loads((tmp_path / "made.json").read_text())["data"][0]["verdict"] == "ai_generated"


def test_the_table_of_settings_is_whole() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (?:`(.*?)`|empty) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    real = {name: field.default for name, field in ServiceSettings.model_fields.items()}
    assert {name: json.loads(text) if text else "" for name, text in told.items()} == {
        name: list(default) if isinstance(default, tuple) else default for name, default in real.items()
    }


def test_what_is_deployed_names_settings_that_exist() -> None:
    text = "".join((DEPLOY / name).read_text(encoding="utf-8") for name in ("compose.yaml", "Dockerfile"))
    names = {name.lower() for name in re.findall(r"FILIGRANE_SERVICE_(\w+)", text)}
    assert names and names <= set(ServiceSettings.model_fields)


def test_the_systemd_unit_is_sound(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is absent (apt-get install systemd)")
    unit = tmp_path / "filigrane.service"
    text = (DEPLOY / unit.name).read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/filigrane/bin/filigrane", "/bin/true"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
