"""Taking on a scan job: the archive or the loose files are checked, listed and put where all servers can read them."""

from __future__ import annotations

import secrets
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from filigrane.app.inputs import expand
from filigrane.app.serving.uploads import Uploads
from filigrane.core.errors import FiligraneError, LimitExceeded, UnreadableInput, UsageError
from filigrane.core.parallel import GuardedPool
from filigrane.core.settings import Settings

_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken on: the archive in the store of uploads, and its members to look at."""

    archive: str
    members: tuple[str, ...]


def take_archive(stream: IO[bytes], uploads: Uploads, settings: Settings, *, most: int) -> Taken:
    """Keep a zip archive until its job is done.

    It is listed in a guarded process, because its list of contents may be made to fill the memory. Raises UsageError
    for what is no zip, or has no pictures, LimitExceeded for more than ``most`` pictures.
    """
    name = f"{secrets.token_hex(16)}.zip"
    uploads.put(name, stream)
    try:
        with (
            uploads.local(name) as path,
            GuardedPool(1, settings.memory_bytes, settings.timeout_s) as pool,
        ):
            members = pool.run(partial(_members, most + 1), path)
        if isinstance(members, FiligraneError):
            raise members
        if not members:
            raise UsageError("The archive holds no pictures (JPEG, PNG, WebP, GIF, AVIF, TIFF, BMP or HEIC by name).")
        if len(members) > most:
            raise LimitExceeded(f"The archive holds more than {most:,} pictures; split it.")
    except FiligraneError:
        uploads.remove(name)
        raise
    return Taken(name, members)


def take_files(files: Sequence[tuple[str, IO[bytes]]], uploads: Uploads) -> Taken:
    """Keep loose files, pairs of name and stream, until their job is done; each name gets a number before it."""
    name, members = f"{secrets.token_hex(16)}.zip", []
    with uploads.writing(name) as packed, zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for number, (given, stream) in enumerate(files):
            members.append(f"{number:05}-{clean_name(given)}")
            with archive.open(members[-1], "w", force_zip64=True) as target:
                shutil.copyfileobj(stream, target, 1 << 20)
    return Taken(name, tuple(members))


def clean_name(name: str | None) -> str:
    """What is left of a name that a stranger gave a file: its last part, printable, of limited length.

    >>> clean_name("../../etc/pass\\nwd"), clean_name(None)
    ('passwd', 'upload')
    """
    last = PurePosixPath((name or "").replace("\\", "/")).name
    return "".join(letter for letter in last if letter.isprintable())[-_MAX_NAME:] or "upload"


def _members(most: int, path: Path) -> tuple[str, ...]:
    """Names of the first ``most`` pictures in the zip at ``path``."""
    if not zipfile.is_zipfile(path):
        raise UsageError("This is no zip archive; send a zip, or the pictures themselves.")
    found = []
    for item in expand([str(path)], max_bytes=1):
        if item.problem:
            raise UnreadableInput(item.problem)
        found.append(item.member)
        if len(found) == most:
            break
    return tuple(found)
