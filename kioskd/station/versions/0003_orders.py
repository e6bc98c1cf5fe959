"""Print jobs that staff ordered, and what a queued sheet says."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add their columns."""
    with op.batch_alter_table("print_job") as table:
        table.add_column(sa.Column("order_id", sa.Uuid(), nullable=True))
        table.add_column(sa.Column("content", sa.JSON(), nullable=True))
        table.create_unique_constraint("uq_print_job_order_id", ["order_id"])
