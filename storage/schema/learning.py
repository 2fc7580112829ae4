"""Students, where each came from, and the attempts to grow a better one."""

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, LargeBinary, Table, Text, text

from storage.schema.columns import metadata, micros, serial, words

# Every student there ever was, refused ones too, and what became of each.
models = Table(
    "models",
    metadata,
    words("version", key=True),
    words("parent", null=True),
    Column("weights_digest", LargeBinary, nullable=False),
    Column("data_digest", LargeBinary, nullable=False),
    words("code_version"),
    words("card"),
    words("metrics"),  # JSON
    micros("made_us"),
)

# Here rather than in a folder, so that every monitor reaches them, and a backup holds them.
model_files = Table(
    "model_files",
    metadata,
    Column("version", Text, ForeignKey("models.version"), primary_key=True),
    words("file", key=True),
    Column("content", LargeBinary, nullable=False),
)

model_steps = Table(
    "model_steps",
    metadata,
    serial(),
    Column("version", Text, ForeignKey("models.version"), nullable=False),
    words("step"),
    words("by_whom"),
    words("reason"),
    micros("at_us"),
    Index("ix_model_steps_version", "version", "id"),
)

GOING_ON = text("ended_us IS NULL")

# Attempts to grow a better student. One at a time: whoever holds it says so until `lease_us`, and what it has come to.
refreshes = Table(
    "refreshes",
    metadata,
    serial(),
    words("phase"),
    Column("share", Double, nullable=False),  # of the phase, 0 to 1
    words("detail"),  # JSON: counts, checks, drift; nothing of one patient
    words("holder"),
    micros("lease_us"),
    micros("began_us"),
    micros("told_us"),
    micros("ended_us", null=True),
    words("outcome", null=True),  # candidate, refused, failed
    words("reason"),
    words("candidate", null=True),
    Column("one", Integer, nullable=False),  # always 1
    Column("salt", LargeBinary),  # of the names that windows of this attempt bear; None once it is over
    Index("ix_refreshes_one", "one", unique=True, postgresql_where=GOING_ON, sqlite_where=GOING_ON),
)

# What signal and findings of a site and a kind of device looked like at an attempt: `inference/refresh/drift.py`.
refresh_profiles = Table(
    "refresh_profiles",
    metadata,
    Column("refresh", BigInteger, ForeignKey("refreshes.id"), primary_key=True, autoincrement=False),
    words("site_device", key=True),
    words("profile"),  # JSON
)
