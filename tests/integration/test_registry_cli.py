"""The commands under ``registry``, from the outside."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from filigrane.app.mark import Draft, Marker
from filigrane.cli import registry
from filigrane.core.errors import FiligraneError, NotFound, UsageError
from filigrane.core.settings import load
from filigrane.core.values import Pixels
from filigrane.provenance import keys
from filigrane.provenance.certificates import Holder
from filigrane.provenance.manifest import Declaration, Software
from filigrane.provenance.source_types import SourceType


def run(*arguments: str) -> str:
    """What a command prints; its own errors come out as exceptions."""
    app = typer.Typer()
    registry.register(app)
    result = CliRunner().invoke(app, ["registry", *arguments])
    if isinstance(result.exception, FiligraneError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def events(*arguments: str) -> list[str]:
    entries: list[dict[str, Any]] = json.loads(run("audit", *arguments, "--json"))
    return [entry["event"] for entry in entries]


@pytest.fixture
def mark(home: Path, scene: Pixels, tmp_path: Path) -> str:
    """The id of a picture that was marked."""
    keys.create(home / "keys", Holder("Tests"))
    software = Software("Tests", "1")
    said = Declaration(software, software, datetime.now(UTC), SourceType.TRAINED_ALGORITHMIC_MEDIA, "scene")
    with Marker.open(load()) as marker:
        return f"{marker.mark(Draft(scene, 'png', said), tmp_path / 'marked.png').mark.id:015x}"


def test_a_mark_taken_back_stays_in_the_records_with_the_reason(mark: str) -> None:
    before = json.loads(run("export"))
    assert (before["mark"], before["title"], before["revoked_at"]) == (mark, "scene", None)
    run("revoke", mark, "--reason", "sent by mistake")
    after = json.loads(run("export"))
    assert after["revoked_at"] and after["reason"] == "sent by mistake"
    assert events() == events(mark) == ["reserved", "issued", "revoked"]
    assert "sent by mistake" in run("audit")


def test_nothing_is_taken_back_twice_or_that_was_never_given(mark: str) -> None:
    run("revoke", mark.upper(), "--reason", "once")
    with pytest.raises(UsageError, match="already"):
        run("revoke", mark, "--reason", "twice")
    with pytest.raises(NotFound):
        run("revoke", "0" * 15, "--reason", "never issued")


@pytest.mark.parametrize("text", ["", "xyz", "1" * 16, "-1"])
def test_what_is_no_id_is_refused(home: Path, text: str) -> None:
    with pytest.raises(UsageError, match="fifteen"):
        run("revoke", "--reason", "none", "--", text)


def test_an_empty_registry_has_nothing_to_tell(home: Path) -> None:
    assert events() == []
    assert run("export") == ""
