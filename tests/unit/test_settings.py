"""Laws of the settings: what can't work is refused in one sentence, and what is empty counts as not given."""

from __future__ import annotations

from pathlib import Path

import pytest

from filigrane.core.errors import UsageError
from filigrane.core.settings import load


def test_an_empty_variable_counts_as_not_given(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FILIGRANE_HOME", "")
    monkeypatch.setenv("FILIGRANE_WORKERS", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    settings = load()
    assert settings.home == tmp_path / "filigrane"
    assert settings.workers == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout_s", float("inf")),
        ("timeout_s", float("nan")),
        ("timeout_s", 1e300),
        ("workers", 10**20),
        ("memory_bytes", 10**20),
        ("prior", 1.0),
    ],
)
def test_values_that_no_machine_can_serve_are_refused(home: Path, name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name):
        load(**{name: value})


def test_a_user_without_a_home_folder_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UsageError, match="set HOME"):
        load()
