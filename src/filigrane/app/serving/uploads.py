"""Where the service puts uploads that must outlive a request: archives of scan jobs, and pictures where kept.

Any file system that fsspec knows, by URL; a local folder is read in place, another is copied to a temporary file.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from fsspec.core import url_to_fs  # type: ignore[import-untyped]
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from filigrane.app.serving.tables import utc
from filigrane.core.errors import FiligraneError, UsageError


class Uploads:
    """Files by name at one URL."""

    def __init__(self, url: str) -> None:
        """Raises UsageError for an address of no known kind."""
        try:
            self._files, self._root = url_to_fs(url)
            self._files.makedirs(self._root, exist_ok=True)
        except (ValueError, ImportError, OSError) as error:
            raise UsageError(f"Uploads can't be kept at {url!r} ({error}); give a folder or an fsspec URL.") from error
        self._lock = threading.Lock()
        self._copies: dict[str, tuple[IO[bytes], int]] = {}

    def put(self, name: str, stream: IO[bytes]) -> None:
        """Copy ``stream`` to the file ``name``."""
        with self.writing(name) as target:
            shutil.copyfileobj(stream, target, 1 << 20)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """The file ``name`` to write to; where the block raises, nothing of it stays."""
        try:
            with self._files.open(self._path(name), "wb") as target:
                yield target
        except OSError as error:
            self.remove(name)
            raise FiligraneError(f"An upload could not be kept ({error.strerror or type(error).__name__}).") from error
        except BaseException:
            self.remove(name)
            raise

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A local path to the file ``name``, good inside the block; blocks at the same time share one copy."""
        if isinstance(self._files, LocalFileSystem):
            yield Path(self._path(name))
            return
        with self._lock:
            copy, users = self._copies.get(name) or (self._fetched(name), 0)
            self._copies[name] = copy, users + 1
        try:
            yield Path(copy.name)
        finally:
            with self._lock:
                copy, users = self._copies.pop(name)
                if users > 1:
                    self._copies[name] = copy, users - 1
                else:
                    copy.close()

    def _fetched(self, name: str) -> IO[bytes]:
        copy = tempfile.NamedTemporaryFile(suffix=Path(name).suffix)  # noqa: SIM115 (its last user closes it)
        try:
            self._files.get_file(self._path(name), copy.name)
        except OSError as error:
            copy.close()
            raise FiligraneError(f"The upload {name} is gone ({type(error).__name__}).") from error
        return copy

    def older_than(self, age_s: float) -> tuple[str, ...]:
        """Names of files that were written more than ``age_s`` ago; none where the store can't tell."""
        limit = datetime.now(UTC) - timedelta(seconds=age_s)
        try:
            paths = self._files.ls(self._root, detail=False)
            return tuple(Path(path).name for path in paths if utc(self._files.modified(path)) < limit)
        except (NotImplementedError, OSError):
            return ()

    def remove(self, name: str) -> None:
        """Delete the file ``name``, where it is there; several servers may try at once."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{Path(name).name}"
