"""The commands under ``keys watermark``, from the outside."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from filigrane.app.mark import watermarker
from filigrane.cli import keys
from filigrane.core.errors import FiligraneError, UsageError
from filigrane.core.settings import load
from filigrane.core.values import Pixels
from filigrane.watermark.keys import MAX_KEYS, create, key_folder


def run(*arguments: str) -> str:
    """What a command below ``keys watermark`` prints; its own errors come out as exceptions."""
    app = typer.Typer()
    keys.register(app)
    result = CliRunner().invoke(app, ["keys", "watermark", *arguments])
    if isinstance(result.exception, FiligraneError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def listed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("list", "--json"))
    return found


def test_without_a_key_of_ones_own_the_public_one_writes(home: Path) -> None:
    assert [(key["profile"], key["writes"], key["path"]) for key in listed()] == [("public", True, None)]


def test_a_first_key_is_its_owners_alone_and_writes_from_then_on(home: Path) -> None:
    made = json.loads(run("create", "--json"))[0]
    path = Path(made["path"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.parent == key_folder(home)
    assert next((key["id"], key["writes"]) for key in listed()) == (made["id"], True)
    assert json.loads(path.read_text())["secret"] not in run("list", "--json") + run("list")


def test_after_rotation_the_newer_key_writes_and_the_older_still_reads(home: Path, scene: Pixels) -> None:
    old = json.loads(run("create", "--json"))[0]
    marked = watermarker(load()).embed(scene, 77)
    for _ in range(3):
        new = json.loads(run("rotate", "--json"))[0]
        assert [key["id"] for key in listed() if key["writes"]] == [new["id"]]
    reading = watermarker(load()).read(marked)
    assert (reading.payload, reading.key_id) == (77, old["id"])
    assert watermarker(load()).read(watermarker(load()).embed(scene, 78)).key_id == new["id"]


def test_neither_a_second_first_key_nor_a_rotation_of_none(home: Path) -> None:
    with pytest.raises(UsageError, match="keys watermark create"):
        run("rotate")
    run("create")
    with pytest.raises(UsageError, match="keys watermark rotate"):
        run("create")


def test_a_full_ring_takes_no_more(home: Path) -> None:
    for _ in range(MAX_KEYS - 1):
        create(key_folder(home))
    with pytest.raises(UsageError, match="move old key files"):
        run("rotate")
    assert len(listed()) == MAX_KEYS
