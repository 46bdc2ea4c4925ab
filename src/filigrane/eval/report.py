"""A measurement on disk: ``results.json``, ``samples.parquet``, one self-contained page, and a card in Markdown."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filigrane import __version__
from filigrane.core.errors import UnreadableInput
from filigrane.core.files import write_atomically
from filigrane.core.values import Json, Report, Row

RESULTS = "results.json"
SAMPLES = "samples.parquet"
PAGE = "report.html"
CARD = "MODEL_CARD.md"
_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "opencv-python-headless",
    "pillow",
    "torch",
    "onnxruntime",
)


def environment(seed: int, device: str = "cpu") -> Mapping[str, Json]:
    """Where and with what a measurement ran: commit, versions, machine, seed, time (UTC)."""
    return {
        "filigrane": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "machine": f"{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "device": device,
        "seed": seed,
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    """The commit of the checkout that this code runs from; empty for an installed package."""
    folder, git = Path(__file__).parent, shutil.which("git")
    if git is None:
        return ""
    words = [git, "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    tracked = [git, "-C", str(folder), "ls-files", "--error-unmatch", __file__]
    try:
        if subprocess.run(tracked, capture_output=True, timeout=10, check=False).returncode:
            return ""
        return subprocess.run(words, capture_output=True, timeout=10, check=False).stdout.decode().strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def save(report: Report, folder: Path) -> None:
    """Write ``results.json`` into ``folder``."""
    content = {"schema": 1, **dataclasses.asdict(report)}
    text = json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / RESULTS, text.encode() + b"\n")


def _finite(value: Any) -> Any:
    """The value with numbers that JSON can't hold as null."""
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load(folder: Path) -> Report:
    """What `save` wrote; raises UnreadableInput where there is no such report."""
    path = folder / RESULTS
    try:
        content = json.loads(path.read_bytes())
        rows = tuple(Row(**row) for row in content["rows"])
        warnings = tuple(content["warnings"])
        return Report(content["name"], rows, content["config"], content["environment"], warnings)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableInput(f"{path} is no report ({error!r}); give a folder that an evaluation wrote.") from error
