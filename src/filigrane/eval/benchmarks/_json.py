"""JSON files that list pictures, read with a limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from filigrane.core.errors import LimitExceeded, UnreadableInput

MAX_BYTES = 2**30
"""Largest list that is read: JSON can't be streamed, and a gibibyte holds some ten million frames."""


def read_json(path: Path) -> Any:
    """What the file holds; raises UnreadableInput or LimitExceeded."""
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise LimitExceeded(f"{path} has {size:,} bytes; lists of up to {MAX_BYTES:,} are read: split it.")
        with path.open(encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableInput(f"{path} can't be read as JSON ({error}).") from error


def as_map(value: Any) -> dict[str, Any]:
    """The value if it is an object, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value if it is an array, or an empty one."""
    return value if isinstance(value, list) else []
