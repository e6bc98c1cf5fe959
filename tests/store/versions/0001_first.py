"""Notes, outbox and audit trail."""

from alembic import op

from tests.store.notebook import METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
