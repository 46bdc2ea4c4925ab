"""A PostgreSQL of the tests' own: in a temporary folder, on a socket there, gone with the session."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

DEBIAN = Path("/usr/lib/postgresql")


def _binaries() -> Path | None:
    """The folder of initdb and pg_ctl: that of Debian's newest version, or the one on the path."""
    for folder in sorted(DEBIAN.glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _owner() -> list[str] | None:
    """What runs a command as an ordinary user, because PostgreSQL refuses root; None where there is no way."""
    if os.geteuid():
        return []
    setpriv = shutil.which("setpriv")
    known = {entry.pw_name for entry in pwd.getpwall()}
    user = next((name for name in ("postgres", "nobody") if name in known), None)
    return [setpriv, f"--reuid={user}", f"--regid={user}", "--clear-groups"] if setpriv and user else None


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of an empty PostgreSQL, with ``{}`` in place of the database name."""
    binaries, owner = _binaries(), _owner()
    if binaries is None or owner is None:
        pytest.skip("PostgreSQL is absent or can't be run as an ordinary user (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="filigrane-pg-"))  # short, because a socket's path holds 107 bytes
    if owner:
        shutil.chown(folder, owner[1].partition("=")[2])
    data = folder / "data"
    control = [*owner, str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    try:
        _quietly([*owner, str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "filigrane"])
        _quietly([*control, "-l", str(folder / "log"), "-o", f"-k {folder} -c listen_addresses=''", "start"])
        try:
            yield f"postgresql://filigrane@/{{}}?host={folder}"
        finally:
            _quietly([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _quietly(command: list[str]) -> None:
    # A server inherits these streams and outlives the command: pipes would never close.
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def postgresql(postgresql_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a fresh database, dropped afterwards."""
    import psycopg

    name = f"test_{abs(hash(request.node.nodeid)):x}"
    with psycopg.connect(postgresql_server.format("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield postgresql_server.format(name)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def registry_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty registry: SQLite in the home folder (an empty address), then PostgreSQL."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgresql"))
