"""What is looked back at: the overview of a day, notes, hand-overs; a shift's alarms found by their time."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "overviews",
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("extremes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("patient", "minute", name=op.f("pk_overviews")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notes",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    op.create_index("ix_notes_patient", "notes", ["patient", "id"])
    op.create_index("ix_notes_at_us", "notes", ["at_us"])
    op.create_table(
        "handovers",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("to_whom", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handovers")),
    )
    op.create_index("ix_handovers_at_us", "handovers", ["at_us"])
    op.create_index("ix_alarm_events_at_us", "alarm_events", ["at_us"])


def downgrade() -> None:
    op.drop_index("ix_alarm_events_at_us", "alarm_events")
    for table in ("handovers", "notes", "overviews"):
        op.drop_table(table)
