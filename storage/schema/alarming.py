"""Alarms, what became of each, and who is told."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, SmallInteger, Table, Text, text

from storage.schema.columns import flag, metadata, micros, serial, words

OPEN = text("(active OR (latching AND acknowledged_us IS NULL))")  # presence != off, as the database says it
WAITING = text("delivered_us IS NULL AND failed_us IS NULL")

alarms = Table(
    "alarms",
    metadata,
    words("alarm_id", key=True),
    words("patient"),
    words("condition"),
    words("label"),
    words("kind"),
    Column("priority", SmallInteger, nullable=False),
    flag("latching"),
    micros("onset_us"),
    micros("raised_us"),
    words("message"),
    flag("active"),
    flag("retrospective"),
    flag("late"),
    micros("ended_us", null=True),
    Column("episodes", Integer, nullable=False),
    micros("acknowledged_us", null=True),
    words("acknowledged_by", null=True),
    words("reason", null=True),
    words("evidence"),  # JSON
    Index("ix_alarms_open", "priority", "raised_us", postgresql_where=OPEN, sqlite_where=OPEN),
    Index("ix_alarms_raised_us", "raised_us"),
    Index("ix_alarms_patient_raised_us", "patient", "raised_us"),
)

alarm_events = Table(
    "alarm_events",
    metadata,
    Column("alarm_id", Text, ForeignKey("alarms.alarm_id"), primary_key=True),
    words("action", key=True),
    Column("t_us", BigInteger, primary_key=True, autoincrement=False),
    micros("at_us"),
    words("by_whom", null=True),
    words("reason", null=True),
    Index("ix_alarm_events_at_us", "at_us"),  # a shift's worth, among years of them
)

# The key is what makes a step unique, whoever takes it; the time is only told.
escalations = Table(
    "escalations",
    metadata,
    Column("alarm_id", Text, ForeignKey("alarms.alarm_id"), primary_key=True),
    Column("episodes", Integer, primary_key=True, autoincrement=False),
    Column("step", Integer, primary_key=True, autoincrement=False),
    words("owner"),
    micros("due_us"),
    micros("at_us"),
)

notifications = Table(
    "notifications",
    metadata,
    words("key", key=True),  # towards the receiver too: a repetition is known by it
    words("target"),
    words("alarm_id", null=True),
    Column("step", Integer, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    words("notice"),  # JSON
    micros("created_us"),
    micros("due_us"),  # not tried again before
    micros("claimed_us", null=True),
    Column("attempts", Integer, nullable=False),
    micros("delivered_us", null=True),
    micros("failed_us", null=True),  # given up; `error` says why
    flag("late"),
    words("error", null=True),
    Index("ix_notifications_waiting", "priority", "due_us", postgresql_where=WAITING, sqlite_where=WAITING),
    Index("ix_notifications_alarm_id", "alarm_id"),
)

audio_pauses = Table(
    "audio_pauses",
    metadata,
    serial(),
    words("patient", null=True),
    words("station", null=True),
    words("by_whom"),
    micros("began_us"),
    micros("until_us"),
    Column("priority", SmallInteger, nullable=False),
    words("silenced"),  # JSON list
    micros("ended_us", null=True),  # someone ended it before its time, or a newer one took its place
    words("ended_by", null=True),
    Index("ix_audio_pauses_until_us", "until_us"),
)

# Only ever added to: the newest row of a patient holds, the others tell what held before.
patient_limits = Table(
    "patient_limits",
    metadata,
    serial(),
    words("patient"),
    words("limits"),  # JSON
    words("by_whom"),
    micros("at_us"),
    Index("ix_patient_limits_patient", "patient", "id"),
)
