"""Labels, and bands for children and people without a name: whom sheets are for, and what staff said of them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add them."""
    op.add_column("check_in", sa.Column("patient", sa.JSON(none_as_null=True), nullable=True))
    with op.batch_alter_table("band") as table:
        table.alter_column("patient", existing_type=sa.JSON(), nullable=True)
        table.add_column(sa.Column("unnamed", sa.JSON(none_as_null=True), nullable=True))
        table.add_column(sa.Column("person", sa.Integer(), nullable=True))
        table.add_column(sa.Column("is_name_similar", sa.Boolean(), nullable=True))
    op.execute(sa.update(_BAND).values(person=0, is_name_similar=False))
    with op.batch_alter_table("band") as table:
        table.alter_column("person", existing_type=sa.Integer(), nullable=False)
        table.alter_column("is_name_similar", existing_type=sa.Boolean(), nullable=False)
    with op.batch_alter_table("print_order") as table:
        table.add_column(sa.Column("title", sa.String(length=80), nullable=True))
        table.add_column(sa.Column("code", sa.String(length=80), nullable=True))
    op.execute("UPDATE print_order SET title = '', code = ''")
    with op.batch_alter_table("print_order") as table:
        table.alter_column("title", existing_type=sa.String(length=80), nullable=False)
        table.alter_column("code", existing_type=sa.String(length=80), nullable=False)
    _keep_patients()
    _count_record_numbers()


_CHECK_IN = sa.table("check_in", sa.column("id", sa.Uuid()), sa.column("patient", sa.JSON(none_as_null=True)))
_BAND = sa.table(
    "band",
    sa.column("check_in_id", sa.Uuid()),
    sa.column("patient", sa.JSON()),
    sa.column("is_name_similar", sa.Boolean()),
    *(sa.column(name, sa.Integer()) for name in ("copy", "number", "person")),
)
_COUNTER = sa.table("band_counter", sa.column("patient_id", sa.String()), sa.column("last", sa.Integer()))


def _keep_patients() -> None:
    """Whom check-ins with a band were for; of the others not enough is known here for a label."""
    same = sa.select(_BAND.c.patient).where(_BAND.c.check_in_id == _CHECK_IN.c.id, _BAND.c.copy == 1)
    op.execute(sa.update(_CHECK_IN).values(patient=same.scalar_subquery()))


def _count_record_numbers() -> None:
    """The highest band number that stands on a band with each record number."""
    last: dict[str, int] = {}
    for row in op.get_bind().execute(sa.select(_BAND.c.patient, _BAND.c.number)):
        if number := row.patient["record_number"]:
            key = f"no:{number}"[:64]
            last[key] = max(row.number, last.get(key, 0))
    for key, highest in last.items():
        op.execute(sa.insert(_COUNTER).values(patient_id=key, last=highest))
