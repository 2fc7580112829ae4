"""What is written down: the chained audit, notes, hand-overs, imports."""

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, SmallInteger, Table, false

from storage.schema.columns import metadata, micros, serial, words

audit = Table(
    "audit",
    metadata,
    serial(),
    micros("at_us"),
    words("by_whom"),
    words("action"),
    words("subject"),
    words("detail"),  # JSON
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the row before and of this one, `storage.audit`
    Index("ix_audit_at_us", "at_us"),
    Index("ix_audit_subject", "subject", "id"),
)

# The row that every writer of the audit locks: the end of the chain, so that a cut-off tail is seen too.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),  # always 1
    Column("last", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)

# Only ever added to: what was written about a patient stays as it was.
notes = Table(
    "notes",
    metadata,
    serial(),
    words("patient"),
    words("text"),  # or its base64, sealed with the patient's key
    words("by_whom"),
    micros("at_us"),
    Column("sealed", Boolean, nullable=False, server_default=false()),
    Index("ix_notes_patient", "patient", "id"),
    Index("ix_notes_at_us", "at_us"),
)

handovers = Table(
    "handovers",
    metadata,
    serial(),
    words("by_whom"),
    words("to_whom"),
    words("text"),
    micros("at_us"),
    Index("ix_handovers_at_us", "at_us"),
)

# What was imported already, so that an import that broke off goes on.
imports = Table(
    "imports",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the signal; file names may name people
    words("patient"),
    Column("samples", BigInteger, nullable=False),
    micros("at_us"),
)
