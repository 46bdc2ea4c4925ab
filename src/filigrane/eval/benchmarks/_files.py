"""What all layouts share: files in a stable order, and paths that stay inside the root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from filigrane.core.image import EXTENSIONS

ENDINGS = frozenset(ending for endings in EXTENSIONS.values() for ending in endings)
SPLITS = frozenset({"train", "val", "test", "valid", "validation", "dev", "devtest", "training", "testing"})


def word(cell: Any) -> str:
    """A cell of a list as a word: empty for nothing, whole numbers and truth values as integers.

    >>> word(None), word(1.0), word(True), word(0.7), word(float("nan"))
    ('', '1', '1', '0.7', 'nan')
    """
    if isinstance(cell, (bool, float)) and float(cell).is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell)


def is_picture(name: str) -> bool:
    """Whether a file is a picture by its name."""
    return os.path.splitext(name)[1].lower() in ENDINGS  # noqa: PTH122 (called a million times)


def pictures(root: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Every picture under ``root`` with the folders between, sorted; links to folders are not followed."""
    for parent, folders, files in os.walk(root):
        folders.sort()
        between = Path(parent).relative_to(root).parts
        for name in sorted(files):
            if is_picture(name) and not name.startswith("."):
                yield Path(parent) / name, between


def files(root: Path, *endings: str) -> list[Path]:
    """The files under ``root`` (or ``root`` itself) with one of ``endings``, sorted."""
    if root.is_file():
        return [root] if root.name.endswith(endings) else []
    return sorted(path for path in root.rglob("*") if path.name.endswith(endings) and path.is_file())


def within(root: Path, path: Path) -> str:
    """What ``path`` is called in a benchmark that lies at ``root``: unique, whatever else is called alike.

    >>> within(Path("/d"), Path("/d/a/b.png"))
    'a/b.png'
    """
    return Path(os.path.relpath(path, root.parent if root.is_file() else root)).as_posix()


def inside(root: Path, written: str) -> Path | None:
    """The file under ``root`` that ``written`` names, with either slash; None where it leads out.

    >>> inside(Path("/d"), "a\\\\b.png").as_posix()
    '/d/a/b.png'
    >>> inside(Path("/d"), "../b.png") is None
    True
    """
    parts = PurePosixPath(written.replace("\\", "/").lstrip("/")).parts
    if not parts or ".." in parts or ":" in parts[0]:
        return None
    return root.joinpath(*parts)


def split_of(parts: tuple[str, ...]) -> str:
    """The split that a path names, or empty."""
    return next((part for part in parts if part.lower() in SPLITS), "")
