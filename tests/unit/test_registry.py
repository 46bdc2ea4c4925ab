"""What is written stays, is found by every way in, and never changes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from filigrane.core.errors import FiligraneError, NotFound, UsageError
from filigrane.provenance import database
from filigrane.provenance.binding import ID_BITS
from filigrane.provenance.fingerprint import Fingerprint
from filigrane.provenance.registry import Event, IssuedMark, Registry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry.open(tmp_path) as opened:
        yield opened


def mark(number: int, rng: np.random.Generator) -> IssuedMark:
    """A complete mark with this id and random contents."""
    return IssuedMark(
        id=number,
        alg="io.filigrane.spread.1",
        key_id="k" * 16,
        manifest_id=f"urn:c2pa:{number:x}",
        manifest=rng.bytes(500),
        sha256=f"{number:064x}",
        original_sha256="0" * 64,
        look=Fingerprint(rng.bytes(32), rng.bytes(12), 4, 3),
        format="png",
        created_at=datetime.now(UTC),
        title="Étude",
        provider="P",
        system="S",
        system_version="1",
    )


def issued(registry: Registry, rng: np.random.Generator) -> IssuedMark:
    made = mark(registry.reserve(), rng)
    registry.issue(made)
    return made


def flipped(bits: bytes, count: int, rng: np.random.Generator) -> bytes:
    """``bits`` with ``count`` of them changed."""
    planes = np.unpackbits(np.frombuffer(bits, np.uint8))
    planes[rng.permutation(len(planes))[:count]] ^= 1
    return np.packbits(planes).tobytes()


def test_a_mark_comes_back_by_id_by_hash_and_by_manifest(registry: Registry, rng: np.random.Generator) -> None:
    made = issued(registry, rng)
    issued(registry, rng)
    assert registry.find(made.id) == registry.find_by_sha256(made.sha256) == made
    assert registry.find_by_manifest(made.manifest_id) == made


def test_what_is_not_there_is_none(registry: Registry) -> None:
    assert registry.find(1) is None
    assert registry.find(1 << 70) is None
    assert registry.find_by_sha256("") is None
    assert registry.find_by_manifest("urn:c2pa:none") is None
    assert registry.nearest(bytes(32)) == ()


def test_a_registry_outlives_its_process(tmp_path: Path, rng: np.random.Generator) -> None:
    with Registry.open(tmp_path) as first:
        made = issued(first, rng)
    with Registry.open(tmp_path) as second:
        assert second.find(made.id) == made


def test_a_reserved_id_is_no_mark_yet_but_is_never_given_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = iter([7, 7, 7, 8])
    monkeypatch.setattr(secrets, "randbits", lambda bits: next(draws) % (1 << bits))
    assert [registry.reserve(), registry.reserve()] == [7, 8]
    assert registry.find(7) is None
    assert [entry.event for entry in registry.audit(7)] == [Event.RESERVED]


def test_a_broken_random_source_is_an_error_and_no_endless_loop(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "randbits", lambda bits: 7)
    registry.reserve()
    with pytest.raises(FiligraneError, match="random"):
        registry.reserve()


def test_ids_have_sixty_bits(registry: Registry) -> None:
    drawn = [registry.reserve() for _ in range(50)]
    assert len(set(drawn)) == 50
    assert 1 << (ID_BITS - 4) < max(drawn) < 1 << ID_BITS


def test_an_id_must_be_reserved_and_serves_once(registry: Registry, rng: np.random.Generator) -> None:
    with pytest.raises(UsageError, match="never reserved"):
        registry.issue(mark(5, rng))
    made = issued(registry, rng)
    with pytest.raises(UsageError, match="issued before"):
        registry.issue(replace(made, title="another"))
    assert registry.find(made.id) == made
    assert [entry.event for entry in registry.audit(made.id)] == [Event.RESERVED, Event.ISSUED]


def test_a_revoked_mark_is_found_and_says_so(registry: Registry, rng: np.random.Generator) -> None:
    made = issued(registry, rng)
    registry.revoke(made.id, "key stolen")
    found = registry.find(made.id)
    assert found is not None and found.revoked is not None
    assert found.revoked.reason == "key stolen"
    assert replace(found, revoked=None) == made
    with pytest.raises(UsageError, match="already"):
        registry.revoke(made.id, "again")


@pytest.mark.parametrize(("reason", "error"), [("why", NotFound), (" ", UsageError)])
def test_only_issued_marks_can_be_revoked_and_only_with_a_reason(
    registry: Registry, reason: str, error: type[FiligraneError]
) -> None:
    number = registry.reserve()
    with pytest.raises(error):
        registry.revoke(number, reason)


@pytest.mark.parametrize("apart", [0, 15, 16, 31])
def test_the_search_by_look_is_exact_up_to_its_distance(
    registry: Registry, rng: np.random.Generator, apart: int
) -> None:
    near, _ = issued(registry, rng), issued(registry, rng)
    bits = flipped(near.look.bits, apart, rng)
    assert registry.nearest(bits, max_distance=apart) == (near,)
    assert apart == 0 or registry.nearest(bits, max_distance=apart - 1) == ()


def test_the_search_by_look_gives_the_nearest_first(registry: Registry, rng: np.random.Generator) -> None:
    base = rng.bytes(32)
    made = {}
    for apart in (9, 3, 27):
        one = replace(mark(registry.reserve(), rng), look=Fingerprint(flipped(base, apart, rng), b"\0", 1, 1))
        registry.issue(one)
        made[apart] = one
    assert registry.nearest(base) == (made[3], made[9], made[27])
    assert registry.nearest(base, limit=1) == (made[3],)


@pytest.mark.parametrize(("bits", "reach"), [(bytes(31), 10), (bytes(32), 32), (bytes(32), -1)])
def test_a_search_out_of_range_is_refused(registry: Registry, bits: bytes, reach: int) -> None:
    with pytest.raises(UsageError):
        registry.nearest(bits, max_distance=reach)


def test_an_export_has_every_mark_once(registry: Registry, rng: np.random.Generator) -> None:
    made = {item.id: item for item in (issued(registry, rng) for _ in range(5))}
    registry.reserve()
    assert {item.id: item for item in registry.export()} == made
    assert len(list(registry.export())) == 5


def test_times_are_utc_however_they_were_given(registry: Registry, rng: np.random.Generator) -> None:
    moment = datetime(2026, 8, 2, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    made = replace(mark(registry.reserve(), rng), created_at=moment)
    registry.issue(made)
    found = registry.find(made.id)
    assert found is not None
    assert (found.created_at, found.created_at.tzinfo) == (moment, UTC)


@pytest.mark.parametrize("table", ["audit", "marks", "looks"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET {}", "DELETE FROM {}", "INSERT OR REPLACE INTO {} SELECT * FROM {}"]
)
def test_the_database_itself_refuses_changes(
    registry: Registry, tmp_path: Path, rng: np.random.Generator, table: str, statement: str
) -> None:
    made = issued(registry, rng)
    column = {"audit": "mark = 1", "marks": "title = ''", "looks": "mark = 1"}[table]
    text = statement.format(table, table if "REPLACE" in statement else column)
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    with pytest.raises(sa.exc.IntegrityError, match="never changed"), engine.begin() as connection:
        connection.execute(sa.text(text))
    engine.dispose()
    assert registry.find(made.id) == made


def test_the_migrations_lead_to_the_tables_in_use(tmp_path: Path) -> None:
    engine = database.connect(tmp_path, "")
    database.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, database.METADATA) == []
        assert context.get_current_revision() == database.REVISION
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(sa.text("PRAGMA synchronous")) == 2
    engine.dispose()


def test_the_newest_migration_is_the_one_in_use() -> None:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(Path(database.__file__).parent / "migrations"))
    assert script.get_current_head() == database.REVISION


def test_a_registry_of_the_future_is_left_alone(tmp_path: Path, registry: Registry) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(FiligraneError, match="newer Filigrane"):
        Registry.open(tmp_path)


@pytest.mark.parametrize("url", ["nonsense", "mysql://root:secret@localhost/x", "sqlite+nothing:///x", "postgresql:/"])
def test_an_unusable_address_gives_one_sentence_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(FiligraneError) as caught:
        Registry.open(tmp_path, url)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_gives_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "registry.sqlite").write_bytes(b"not a database at all, whatever its name says" * 40)
    with pytest.raises(FiligraneError, match="registry"):
        Registry.open(tmp_path)


def test_a_folder_that_cannot_be_made_gives_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FiligraneError, match="FILIGRANE_HOME"):
        Registry.open(tmp_path / "file" / "home")
