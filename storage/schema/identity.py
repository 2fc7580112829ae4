"""Who a pseudonym is, what it is sealed with, what is known and allowed of it."""

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, SmallInteger, Table, Text, text

from storage.schema.columns import flag, metadata, micros, serial, words

DESTROYED = text("destroyed_us IS NOT NULL")

# Who a pseudonym is, sealed with a key of the patient's own; without that key the rest is noise, also in a backup.
identities = Table(
    "identities",
    metadata,
    Column("patient_id", Text, ForeignKey("patients.patient_id"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),  # nonce, then AES-256-GCM of JSON
    micros("at_us"),
)

break_glass = Table(
    "break_glass",
    metadata,
    serial(),
    Column("patient_id", Text, ForeignKey("patients.patient_id"), nullable=False),
    words("by_whom"),
    words("reason"),
    micros("at_us"),
    micros("until_us"),
    Index("ix_break_glass_patient_id", "patient_id", "by_whom"),
)

# What everything of a patient's is sealed with; may lie in a database of its own. `storage/keys.py`.
patient_keys = Table(
    "patient_keys",
    metadata,
    words("patient", key=True),
    words("master"),  # fingerprint of the key that wraps it
    Column("wrapped", LargeBinary),  # None: destroyed
    micros("made_us"),
    micros("destroyed_us", null=True),
    Index("ix_patient_keys_destroyed_us", "destroyed_us", postgresql_where=DESTROYED, sqlite_where=DESTROYED),
)

# What cohorts are chosen by and does not name anyone.
subjects = Table(
    "subjects",
    metadata,
    words("patient", key=True),
    words("site"),
    words("sex"),  # female, male, other, unknown
    Column("birth_year", SmallInteger),
)

# Only ever added to: the newest row of a patient and scope holds.
consents = Table(
    "consents",
    metadata,
    serial(),
    words("patient"),
    words("scope"),
    flag("given"),
    words("by_whom"),
    micros("at_us"),
    Index("ix_consents_patient", "patient", "scope", "id"),
)
