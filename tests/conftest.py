"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

SHARED_DATA = Path(os.environ.get("FILIGRANE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test files; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the test data folder {SHARED_DATA} is absent (set FILIGRANE_TEST_DATA to name another)")
    return SHARED_DATA


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20261125)


@pytest.fixture
def scene(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A drawn picture with smooth areas, edges and texture: uint8 (240, 320, 3)."""
    y, x = np.mgrid[0:240, 0:320].astype(np.float64)
    sky = np.stack([90 + y / 3, 140 + y / 4, 230 - y / 5], axis=-1)
    hills = (y > 150 + 20 * np.sin(x / 30))[..., None] * np.array([-40.0, 10.0, -150.0])
    disc = ((x - 230) ** 2 + (y - 60) ** 2 < 900)[..., None] * np.array([120.0, 80.0, -120.0])
    grain = rng.normal(0, 4, (240, 320, 1)) * (y > 150)[..., None] * 3
    drawn: NDArray[np.uint8] = np.clip(sky + hills + disc + grain, 0, 255).astype(np.uint8)
    return drawn


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Filigrane home, set through the environment."""
    folder = tmp_path / "home"
    monkeypatch.setenv("FILIGRANE_HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder
