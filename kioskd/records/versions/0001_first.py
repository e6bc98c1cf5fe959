"""The first tables of records.db."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from kioskd.store.columns import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    _create_resources()
    _create_search()
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("chain", "sequence", name="uq_audit_sequence"),
    )


def _create_resources() -> None:
    for name, key in (("resource", ("type", "id")), ("history", ("type", "id", "version"))):
        op.create_table(
            name,
            sa.Column("type", sa.String(length=64), nullable=False),
            sa.Column("id", sa.String(length=64), nullable=False),
            sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
            sa.Column("updated_at", UtcDateTime(), nullable=False),
            sa.Column("written_by", sa.String(length=128), nullable=False),
            sa.Column("deleted", sa.Boolean(), nullable=False),
            sa.Column("json", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint(*key),
        )


def _create_search() -> None:
    token = (
        sa.Column("system", sa.String(length=255), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
    )
    _create_rows("search_token", token)
    op.create_index("ix_search_token_value", "search_token", ["type", "parameter", "value", "system"])
    _create_rows(
        "search_date",
        (sa.Column("low", UtcDateTime(), nullable=False), sa.Column("high", UtcDateTime(), nullable=False)),
    )
    op.create_index("ix_search_date_low", "search_date", ["type", "parameter", "low"])
    target = (
        sa.Column("target_type", sa.String(length=64), nullable=False),
        sa.Column("target_id", sa.String(length=64), nullable=False),
    )
    _create_rows("search_reference", target)
    op.create_index("ix_search_reference_target", "search_reference", ["type", "parameter", "target_id", "target_type"])


def _create_rows(name: str, found_by: Sequence[sa.Column[Any]]) -> None:
    op.create_table(
        name,
        sa.Column("row", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("parameter", sa.String(length=64), nullable=False),
        *found_by,
        sa.ForeignKeyConstraint(["type", "id"], ["resource.type", "resource.id"]),
        sa.PrimaryKeyConstraint("row"),
    )
    op.create_index(f"ix_{name}_owner", name, ["type", "id"])
