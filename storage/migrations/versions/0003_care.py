"""What is done about alarms: notifications, escalation, audio pauses, limits of a patient, and who did what."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UNSENT_NOTICE = sa.text("sent_us IS NULL AND topic = 'notify'")
WAITING = sa.text("delivered_us IS NULL AND failed_us IS NULL")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("heartbeats", sa.Column("since_us", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index("ix_outbox_notify", "outbox", ["id"], postgresql_where=UNSENT_NOTICE, sqlite_where=UNSENT_NOTICE)
    op.create_table(
        "escalations",
        sa.Column("alarm_id", sa.Text(), nullable=False),
        sa.Column("episodes", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("due_us", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.alarm_id"], name=op.f("fk_escalations_alarm_id")),
        sa.PrimaryKeyConstraint("alarm_id", "episodes", "step", name=op.f("pk_escalations")),
    )
    op.create_table(
        "notifications",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("alarm_id", sa.Text(), nullable=True),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("due_us", sa.BigInteger(), nullable=False),
        sa.Column("claimed_us", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("delivered_us", sa.BigInteger(), nullable=True),
        sa.Column("failed_us", sa.BigInteger(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notifications")),
    )
    op.create_index(
        "ix_notifications_waiting",
        "notifications",
        ["priority", "due_us"],
        postgresql_where=WAITING,
        sqlite_where=WAITING,
    )
    op.create_index("ix_notifications_alarm_id", "notifications", ["alarm_id"])
    op.create_table(
        "audio_pauses",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("patient", sa.Text(), nullable=True),
        sa.Column("station", sa.Text(), nullable=True),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("began_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("silenced", sa.Text(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audio_pauses")),
    )
    op.create_index("ix_audio_pauses_until_us", "audio_pauses", ["until_us"])
    op.create_table(
        "patient_limits",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_limits")),
    )
    op.create_index("ix_patient_limits_patient", "patient_limits", ["patient", "id"])
    op.create_table(
        "audit",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_at_us", "audit", ["at_us"])


def downgrade() -> None:
    for table in ("audit", "patient_limits", "audio_pauses", "notifications", "escalations"):
        op.drop_table(table)
    op.drop_index("ix_outbox_notify", "outbox")
    op.drop_column("heartbeats", "since_us")
