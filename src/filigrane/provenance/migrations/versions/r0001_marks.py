"""Marks, their audit and the index of looks; rows are only ever added, which triggers enforce."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_FROZEN = ("audit", "marks", "looks")


def upgrade() -> None:
    """Create the tables and the triggers that keep them append-only."""
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.Text(), sa.CheckConstraint("event IN ('reserved', 'issued', 'revoked')"), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.UniqueConstraint("mark", "event"),
    )
    op.create_table(
        "marks",
        sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("alg", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("manifest_id", sa.Text(), nullable=False, index=True),
        sa.Column("sha256", sa.Text(), nullable=False, index=True),
        sa.Column("original_sha256", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("system_version", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("look_bits", sa.LargeBinary(), nullable=False),
        sa.Column("look_luma", sa.LargeBinary(), nullable=False),
        sa.Column("look_width_px", sa.Integer(), nullable=False),
        sa.Column("look_height_px", sa.Integer(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "looks",
        sa.Column("chunk", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("mark", sa.BigInteger(), primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        _freeze_postgresql()
    else:
        _freeze_sqlite()


def _freeze_sqlite() -> None:
    """Refuse UPDATE and DELETE, and the silent DELETE inside INSERT OR REPLACE, which fires no trigger of its own."""
    same = {
        "audit": "seq = NEW.seq OR (mark = NEW.mark AND event = NEW.event)",
        "marks": "id = NEW.id",
        "looks": "chunk = NEW.chunk AND mark = NEW.mark",
    }
    for table in _FROZEN:
        refuse = f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are never changed or deleted'); END"
        op.execute(f"CREATE TRIGGER {table}_update BEFORE UPDATE ON {table} {refuse}")
        op.execute(f"CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} {refuse}")
        found = f"EXISTS (SELECT 1 FROM {table} WHERE {same[table]})"
        op.execute(f"CREATE TRIGGER {table}_replace BEFORE INSERT ON {table} WHEN {found} {refuse}")


def _freeze_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION filigrane_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'rows of the registry are never changed or deleted'; END $$"
    )
    for table in _FROZEN:
        op.execute(
            f"CREATE TRIGGER {table}_frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION filigrane_refuse()"
        )
