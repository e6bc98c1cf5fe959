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
        sa.Column("patient", sa.JSON(), nullable=False),
        sa.Column("put_on_by", sa.String(length=64), nullable=False),
        sa.Column("put_on_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["check_in_id"], ["check_in.id"]),
        sa.PrimaryKeyConstraint("check_in_id", "copy"),
    )
    _keep_numbers()
    op.drop_column("check_in", "band_number")
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


def _keep_numbers() -> None:
    """Bands that were printed before: their record numbers are not known here any more."""
    check_in = sa.table(
        "check_in",
        sa.column("id", sa.Uuid()),
        *(sa.column(name, sa.String()) for name in ("patient_id", "family", "given")),
        sa.column("birth_date", sa.Date()),
        sa.column("band_number", sa.Integer()),
    )
    band = sa.table(
        "band",
        *(sa.column(name, kind) for name, kind in (("check_in_id", sa.Uuid()), ("patient", sa.JSON()))),
        *(sa.column(name) for name in ("copy", "number", "put_on_by")),
    )
    rows = op.get_bind().execute(sa.select(check_in).where(check_in.c.band_number.is_not(None))).all()
    for row in rows:
        patient = {
            "id": row.patient_id,
            "identifiers": [],
            "family": row.family,
            "given": row.given,
            "birth_date": row.birth_date.isoformat() if row.birth_date else None,
            "partial_birth_date": None,
            "sex": "unknown",
            "record_number": "",
        }
        new = {"check_in_id": row.id, "copy": 1, "number": row.band_number, "patient": patient, "put_on_by": ""}
        op.execute(sa.insert(band).values(**new))
