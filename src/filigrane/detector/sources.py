"""Rebuild a part of the training set from its list: pictures named by repository, commit, path and SHA-256, and cut.

The pictures themselves are not handed on, for many have no licence that allows it; the list is ``docs/sources.csv``.
They are read from clones of the repositories that the user has made; nothing is fetched here.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from filigrane.core.errors import FiligraneError, UsageError
from filigrane.core.files import write_atomically
from filigrane.core.image import Limits, decode, encode
from filigrane.core.values import sha256_hex

CUT_PX = 248
_LIMITS = Limits(max_bytes=64 * 2**20, max_pixels=128_000_000, max_total_pixels=128_000_000)
_NEEDED = {"file", "label", "source", "group", "left", "top", "repo", "commit", "path_in_repo", "sha256"}
_GIT_TIMEOUT_S = 60

Say = Callable[[str], None]


def rebuild(listing: Path, clones: Path, folder: Path, say: Say) -> int:
    """Cut the pictures in ``listing`` out of the bare or plain clones ``clones/owner/name`` into a corpus ``folder``.

    Returns how many were made; those that can't be found or have changed are told. Raises UsageError where the listing
    can't be read or is none, or git is not installed.
    """
    if shutil.which("git") is None:
        raise UsageError("Reading clones needs the program git; install it.")
    try:
        with listing.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"{listing} can't be read ({error}); docs/sources.csv is a list of sources.") from error
    if not rows or not set(rows[0]) >= _NEEDED:
        raise UsageError(f"{listing} is no list of sources; it needs the columns {', '.join(sorted(_NEEDED))}.")
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for row in rows:
        try:
            write_atomically(folder / Path(row["file"]).name, _cut(row, _blob(clones, row)))
            made.append(row)
        except (FiligraneError, OSError, ValueError, subprocess.TimeoutExpired) as error:
            say(f"left out: {row['repo']}/{row['path_in_repo']}: {error}")
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(made)
    return len(made)


def _blob(clones: Path, row: dict[str, str]) -> bytes:
    repository = PurePosixPath(row["repo"])
    clone = clones / repository
    if repository.is_absolute() or ".." in repository.parts or not clone.is_dir():
        raise UsageError(f"there is no clone in {clone}")
    if not row["commit"].isalnum():
        raise UsageError(f"{row['commit']!r} is no commit")
    command = ["git", "-C", str(clone), "cat-file", "blob", f"{row['commit']}:{row['path_in_repo']}"]
    done = subprocess.run(command, capture_output=True, timeout=_GIT_TIMEOUT_S, check=False)
    if done.returncode:
        raise UsageError(done.stderr.decode("utf-8", "replace").strip())
    if sha256_hex(done.stdout) != row["sha256"]:
        raise UsageError("the SHA-256 differs from the listed one")
    return done.stdout


def _cut(row: dict[str, str], data: bytes) -> bytes:
    pixels = decode(data, limits=_LIMITS).pixels
    left, top = int(row["left"]), int(row["top"])
    if not (0 <= left < pixels.shape[1] and 0 <= top < pixels.shape[0]):
        raise ValueError(f"the cut at {left}, {top} lies outside of {pixels.shape[1]} x {pixels.shape[0]} px")
    return encode(pixels[top : top + CUT_PX, left : left + CUT_PX], "png")
