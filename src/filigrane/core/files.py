"""Writing files so that a reader never meets half of one.

The bytes go to a temporary neighbour, reach the disk, and take the wanted name in one step.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
    """Write ``data`` to ``path`` in one step, with the permission bits ``mode`` from the first byte on.

    With ``replace=False`` an existing file is left alone and FileExistsError is raised. Other errors are OSError, as
    for a device, which would else be replaced by a file.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            temporary.replace(path)
        else:
            place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def place(part: Path, target: Path) -> None:
    """Give the finished file ``part`` the name ``target``, which no other file has: else FileExistsError is raised.

    Other errors are OSError; in every case ``part`` stays. On a file system without hard links an empty file holds the
    name for a moment.
    """
    try:
        target.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:
        target.touch(exist_ok=False)
        try:
            part.replace(target)
        except OSError:
            target.unlink()
            raise
    else:
        part.unlink()
