"""Check-ins whose card the desk has to read for the bill."""

import sqlalchemy as sa
from alembic import op

from kioskd.store.columns import UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add them. Of check-ins before nobody knows, so nothing is asked for."""
    op.create_table(
        "card_wanted",
        sa.Column("check_in_id", sa.Uuid(), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=True),
        sa.Column("read_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["check_in_id"], ["check_in.id"]),
        sa.PrimaryKeyConstraint("check_in_id"),
    )
