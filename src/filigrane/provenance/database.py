"""The database of the registry: its tables, its address, and bringing it up to date.

SQLite works with a write-ahead log, so that readers never wait for writers, and with ``synchronous=FULL``: with NORMAL,
a power cut could take back the last commits although the files they speak of are already out. Writing transactions
queue up at their start (BEGIN IMMEDIATE), where waiting is possible.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, NoSuchModuleError, SQLAlchemyError

from filigrane.core.errors import FiligraneError, MissingExtra, UsageError

FILE_NAME = "registry.sqlite"
"""The registry of a home folder, where no other address is set."""
REVISION = "0001"
"""The schema that this code works with: the newest file in ``migrations/versions``."""
BUSY_TIMEOUT_S = 60
_CONNECT_TIMEOUT_S = 10
_NAME = "registry"
_MIGRATION_LOCK = 0x46494C49  # any constant will do, as long as it stays

METADATA = sa.MetaData()
"""The tables as the newest revision leaves them."""
audit = sa.Table(
    "audit",
    METADATA,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("mark", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.UniqueConstraint("mark", "event"),
)
marks = sa.Table(
    "marks",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("alg", "key_id")),
    *(sa.Column(name, sa.Text, nullable=False, index=True) for name in ("manifest_id", "sha256")),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("original_sha256", "format", "title")),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("provider", "system", "system_version")),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    *(sa.Column(name, sa.LargeBinary, nullable=False) for name in ("look_bits", "look_luma")),
    *(sa.Column(name, sa.Integer, nullable=False) for name in ("look_width_px", "look_height_px")),
    sa.Column("manifest", sa.LargeBinary, nullable=False),
)
looks = sa.Table(
    "looks",
    METADATA,
    sa.Column("chunk", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("mark", sa.BigInteger, primary_key=True, autoincrement=False),
)


def connect(home: Path, url: str, *, name: str = _NAME) -> sa.Engine:
    """An engine for ``url`` (sqlite or postgresql), or for the file in ``home`` where it is empty.

    ``name`` is what errors call it. Raises UsageError, MissingExtra where the driver is absent, FiligraneError where
    the folder can't be made.
    """
    try:
        address = make_url(url) if url else _in_folder(home)
        if address.drivername == "postgresql":
            address = address.set(drivername="postgresql+psycopg")
        if address.get_backend_name() == "postgresql":
            return sa.create_engine(address, pool_pre_ping=True, connect_args={"connect_timeout": _CONNECT_TIMEOUT_S})
        if address.get_backend_name() != "sqlite":
            raise UsageError(f"The {name} can be of kind sqlite or postgresql; {address.drivername!r} was given.")
        # Transactions are begun by hand below: the driver itself would begin them too late.
        engine = sa.create_engine(address, connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_S})
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(
            f"The address of the {name} is not usable; give postgresql://user@host/name or sqlite:///file."
        ) from error
    except ModuleNotFoundError as error:
        raise MissingExtra(f"A {name} in PostgreSQL", "service") from error
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _in_folder(home: Path) -> sa.URL:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FiligraneError(f"The folder {home} can't be made ({error.strerror}); set FILIGRANE_HOME.") from error
    return sa.URL.create("sqlite", database=str(home / FILE_NAME))


def _set_up_sqlite(connection: Any, record: object) -> None:
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: sa.Connection) -> None:
    """Writers queue up at the start: a reader that turned into a writer could fail instead of waiting."""
    writes = connection.get_execution_options().get("filigrane_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def upgrade(engine: sa.Engine) -> None:
    """Run the migrations that the database lacks; processes that start at once wait for each other."""
    with engine.connect() as connection:
        if _revision(connection) == REVISION:
            return
    with engine.execution_options(filigrane_write=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        if _revision(connection) != REVISION:
            _migrate(connection)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


def _migrate(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    with importlib.resources.as_file(importlib.resources.files("filigrane.provenance") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, REVISION)
        except CommandError as error:
            raise FiligraneError(
                f"The registry has a schema that this version does not know ({error}); use a newer Filigrane."
            ) from error


@contextmanager
def one_sentence(engine: sa.Engine, *, name: str = _NAME) -> Iterator[None]:
    """Turn what the database says against us into one FiligraneError that names it, without its password.

    A value that it can't hold, such as a text with a NUL character, is a UsageError.
    """
    try:
        yield
    except DataError as error:
        raise UsageError("A value is not one that can be kept or looked up; give plain text and numbers.") from error
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        where = engine.url.render_as_string(hide_password=True)
        raise FiligraneError(
            f"The {name} {where} can't be used ({cause}); check the address and its rights."
        ) from error
