"""What is known of each printer, and of the roll in it."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NEW: dict[str, sa.types.TypeEngine[Any]] = {
    "model": sa.String(length=100),
    "notes": sa.JSON(),
    "is_staff_side": sa.Boolean(),
    "place": sa.String(length=40),
    "line": sa.String(length=200),
    "roll_sheets": sa.Integer(),
}
_EMPTY = "model = '', notes = '{}', is_staff_side = false, place = '', line = '', roll_sheets = 0"


def upgrade() -> None:
    """Add them. Stations tell everything again when they hear of the hub, so empty values do not stay."""
    with op.batch_alter_table("device") as table:
        table.add_column(sa.Column("proof", sa.String(length=16), nullable=True))
        table.add_column(sa.Column("odometer", sa.BigInteger(), nullable=True))
        for name, kind in _NEW.items():
            table.add_column(sa.Column(name, kind, nullable=True))
    op.execute(f"UPDATE device SET {_EMPTY}")  # noqa: S608 - nothing in it comes from outside
    with op.batch_alter_table("device") as table:
        for name, kind in _NEW.items():
            table.alter_column(name, existing_type=kind, nullable=False)
    op.create_table(
        "roll",
        sa.Column("station", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("roll", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("station", "device"),
    )
    op.create_index("ix_sheet_device", "sheet", ["station", "device", "at"], unique=False)
