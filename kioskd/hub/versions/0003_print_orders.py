"""Wristbands with who put them on, print orders of staff, and which printer a sheet came from."""

import sqlalchemy as sa
from alembic import op

from kioskd.store.columns import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add them."""
    with op.batch_alter_table("sheet") as table:
        table.add_column(sa.Column("station", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("device", sa.String(length=64), nullable=True))
    op.execute("UPDATE sheet SET station = '', device = ''")
    with op.batch_alter_table("sheet") as table:
        table.alter_column("station", existing_type=sa.String(length=64), nullable=False)
        table.alter_column("device", existing_type=sa.String(length=64), nullable=False)
    op.create_table(
        "band",
        sa.Column("check_in_id", sa.Uuid(), nullable=False),
        sa.Column("copy", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("put_on_by", sa.String(length=64), nullable=False),
        sa.Column("put_on_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["check_in_id"], ["check_in.id"]),
        sa.PrimaryKeyConstraint("check_in_id", "copy"),
    )
    op.create_table(
        "print_order",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("station", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("check_in_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("copy", sa.Integer(), nullable=False),
        sa.Column("ordered_at", UtcDateTime(), nullable=False),
        sa.Column("ordered_by", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("taken_at", UtcDateTime(), nullable=True),
        sa.Column("withdrawn_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("check_in_id", "kind", "copy", name="uq_print_order"),
    )
    op.create_index("ix_print_order_station", "print_order", ["station", "taken_at"], unique=False)
