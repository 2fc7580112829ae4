"""The tables. Patients are pseudonyms: there is no column for a name. All times are microseconds since the epoch.

The monitor alone writes frames, findings, patient_state, checkpoints and the facts of alarms; the dashboard alone
writes what people do. `migrations/` builds the same tables, and a test finds no difference.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

OPEN = text("(active OR (latching AND acknowledged_us IS NULL))")  # presence != off, as the database says it
UNSENT = text("sent_us IS NULL")
UNSENT_NOTICE = text("sent_us IS NULL AND topic = 'notify'")  # few, among very many for the bus
DESTROYED = text("destroyed_us IS NOT NULL")
WAITING = text("delivered_us IS NULL AND failed_us IS NULL")


def _us(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _text(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=null)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


patients = Table(
    "patients",
    metadata,
    _text("patient_id", key=True),
    _text("bed"),
    _us("admitted_us", null=True),
    _us("discharged_us", null=True),  # since then not on the wall and not missed; None: here
)

devices = Table(
    "devices",
    metadata,
    _text("device_id", key=True),
    Column("patient_id", Text, ForeignKey("patients.patient_id"), nullable=False, index=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),  # SHA-256; the token itself is never kept
    _us("revoked_us", null=True),
    _text("mqtt_hash", null=True),  # the token again, as an MQTT broker's password file wants it
)

# An ordinary rowid table on SQLite: WITHOUT ROWID would push the payloads to overflow pages, at twice the size.
frames = Table(
    "frames",
    metadata,
    _text("device", key=True),
    Column("boot", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    _text("patient"),
    _us("t0_us"),
    _us("t1_us"),
    _us("arrival_us"),
    Column("fs_hz", Double, nullable=False),
    Column("gain", Double, nullable=False),
    _text("lead"),
    _flag("lead_off"),
    Column("battery_pct", SmallInteger),
    Column("n", Integer, nullable=False),  # samples
    Column("codec", SmallInteger, nullable=False),  # `storage.codec`, and `storage.rows.SEALED`
    Column("payload", LargeBinary, nullable=False),
    Index("ix_frames_patient_arrival_us", "patient", "arrival_us"),  # the ring of a restart
    Index("ix_frames_patient_t0_us", "patient", "t0_us", "t1_us"),  # t1_us: strips are found in the index alone
)

findings = Table(
    "findings",
    metadata,
    _text("patient", key=True),
    Column("t0_us", BigInteger, primary_key=True, autoincrement=False),
    _text("model", key=True),
    _us("t1_us"),
    _text("device"),
    _text("lead"),
    Column("sqi", Double, nullable=False),
    _flag("usable"),
    _text("reasons"),  # comma between them
    _flag("abstained"),
    Column("heart_rate_bpm", Double),
    _text("layout"),  # which codes the scores belong to: score_layouts
    Column("scores", LargeBinary, nullable=False),  # float16 little-endian, one per code
    _text("codes"),  # comma between them, most likely first
    _us("arrival_us"),
)

# A model names the same codes in every window: they are kept once instead of 400 bytes a row.
score_layouts = Table("score_layouts", metadata, _text("layout", key=True), _text("codes"))

patient_state = Table(
    "patient_state",
    metadata,
    _text("patient", key=True),
    _text("device"),
    _text("lead"),
    Column("fs_hz", Double, nullable=False),
    _us("last_arrival_us"),
    _us("last_sample_us"),
    Column("heart_rate_bpm", Double),
    Column("sqi", Double),
    _flag("usable"),
    _flag("lead_off"),
    Column("battery_pct", SmallInteger),
    _text("codes"),
    _text("model", null=True),
)

alarms = Table(
    "alarms",
    metadata,
    _text("alarm_id", key=True),
    _text("patient"),
    _text("condition"),
    _text("label"),
    _text("kind"),
    Column("priority", SmallInteger, nullable=False),
    _flag("latching"),
    _us("onset_us"),
    _us("raised_us"),
    _text("message"),
    _flag("active"),
    _flag("retrospective"),
    _flag("late"),
    _us("ended_us", null=True),
    Column("episodes", Integer, nullable=False),
    _us("acknowledged_us", null=True),
    _text("acknowledged_by", null=True),
    _text("reason", null=True),
    _text("evidence"),  # JSON
    Index("ix_alarms_open", "priority", "raised_us", postgresql_where=OPEN, sqlite_where=OPEN),
    Index("ix_alarms_raised_us", "raised_us"),
    Index("ix_alarms_patient_raised_us", "patient", "raised_us"),
)

alarm_events = Table(
    "alarm_events",
    metadata,
    Column("alarm_id", Text, ForeignKey("alarms.alarm_id"), primary_key=True),
    _text("action", key=True),
    Column("t_us", BigInteger, primary_key=True, autoincrement=False),
    _us("at_us"),
    _text("by_whom", null=True),
    _text("reason", null=True),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _text("patient", key=True),
    _text("state"),  # JSON
    Column("epoch", BigInteger, nullable=False, server_default="0"),  # counts its owners; an older one may not write
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _text("topic"),
    _text("key"),
    Column("payload", LargeBinary, nullable=False),
    _us("created_us"),
    _us("claimed_us", null=True),
    _us("sent_us", null=True),
    Index("ix_outbox_unsent", "id", postgresql_where=UNSENT, sqlite_where=UNSENT),
    Index("ix_outbox_notify", "id", postgresql_where=UNSENT_NOTICE, sqlite_where=UNSENT_NOTICE),
    sqlite_autoincrement=True,  # an id is never given twice, so that a late `mark_sent` cannot hit another letter
)

people = Table("people", metadata, _text("username", key=True), _text("role"), _text("password_hash"))

heartbeats = Table(
    "heartbeats",
    metadata,
    _text("role", key=True),
    _text("instance", key=True),
    _us("at_us"),
    Column("since_us", BigInteger, nullable=False, server_default="0"),  # begin of its unbroken run
)

# The key is what makes a step unique, whoever takes it; the time is only told.
escalations = Table(
    "escalations",
    metadata,
    Column("alarm_id", Text, ForeignKey("alarms.alarm_id"), primary_key=True),
    Column("episodes", Integer, primary_key=True, autoincrement=False),
    Column("step", Integer, primary_key=True, autoincrement=False),
    _text("owner"),
    _us("due_us"),
    _us("at_us"),
)

notifications = Table(
    "notifications",
    metadata,
    _text("key", key=True),  # towards the receiver too: a repetition is known by it
    _text("target"),
    _text("alarm_id", null=True),
    Column("step", Integer, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    _text("notice"),  # JSON
    _us("created_us"),
    _us("due_us"),  # not tried again before
    _us("claimed_us", null=True),
    Column("attempts", Integer, nullable=False),
    _us("delivered_us", null=True),
    _us("failed_us", null=True),  # given up; `error` says why
    _flag("late"),
    _text("error", null=True),
    Index("ix_notifications_waiting", "priority", "due_us", postgresql_where=WAITING, sqlite_where=WAITING),
    Index("ix_notifications_alarm_id", "alarm_id"),
)


def _serial(name: str = "id") -> Column[int]:
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


audio_pauses = Table(
    "audio_pauses",
    metadata,
    _serial(),
    _text("patient", null=True),
    _text("station", null=True),
    _text("by_whom"),
    _us("began_us"),
    _us("until_us"),
    Column("priority", SmallInteger, nullable=False),
    _text("silenced"),  # JSON list
    _us("ended_us", null=True),  # someone ended it before its time, or a newer one took its place
    _text("ended_by", null=True),
    Index("ix_audio_pauses_until_us", "until_us"),
)

# Only ever added to: the newest row of a patient holds, the others tell what held before.
patient_limits = Table(
    "patient_limits",
    metadata,
    _serial(),
    _text("patient"),
    _text("limits"),  # JSON
    _text("by_whom"),
    _us("at_us"),
    Index("ix_patient_limits_patient", "patient", "id"),
)

audit = Table(
    "audit",
    metadata,
    _serial(),
    _us("at_us"),
    _text("by_whom"),
    _text("action"),
    _text("subject"),
    _text("detail"),  # JSON
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the row before and of this one, `storage.audit`
    Index("ix_audit_at_us", "at_us"),
    Index("ix_audit_subject", "subject", "id"),
)

# People, stays and identities

STAYING = text("ended_us IS NULL")

# The row that every writer of the audit locks: the end of the chain, so that a cut-off tail is seen too.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),  # always 1
    Column("last", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256; the token itself is never kept
    Column("username", Text, ForeignKey("people.username"), nullable=False, index=True),
    _us("began_us"),
    _us("seen_us"),  # to the minute
    _text("peer"),  # the network address that signed in
)

# One row for each bed of a stay; a transfer ends one and begins another.
admissions = Table(
    "admissions",
    metadata,
    _serial(),
    Column("patient_id", Text, ForeignKey("patients.patient_id"), nullable=False),
    _text("bed"),
    _us("since_us"),
    _text("by_whom"),
    _us("ended_us", null=True),
    _text("ended_by", null=True),
    Index("ix_admissions_patient_id", "patient_id", unique=True, postgresql_where=STAYING, sqlite_where=STAYING),
    Index("ix_admissions_bed", "bed", unique=True, postgresql_where=STAYING, sqlite_where=STAYING),
)

# Who a pseudonym is, sealed with a key of the patient's own; without that key the rest is noise, also in a backup.
identities = Table(
    "identities",
    metadata,
    Column("patient_id", Text, ForeignKey("patients.patient_id"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),  # nonce, then AES-256-GCM of JSON
    _us("at_us"),
)

break_glass = Table(
    "break_glass",
    metadata,
    _serial(),
    Column("patient_id", Text, ForeignKey("patients.patient_id"), nullable=False),
    _text("by_whom"),
    _text("reason"),
    _us("at_us"),
    _us("until_us"),
    Index("ix_break_glass_patient_id", "patient_id", "by_whom"),
)

pairings = Table(
    "pairings",
    metadata,
    _serial(),
    Column("patient_id", Text, ForeignKey("patients.patient_id"), nullable=False, index=True),
    Column("code_hash", LargeBinary, nullable=False, unique=True),  # scrypt; the code is shown once
    _text("by_whom"),
    _us("created_us"),
    _us("until_us"),
    _us("ended_us", null=True),  # used, or another took its place
    _text("device", null=True),  # that used it
)

# What is looked back at: `storage/minutes.py`, `storage/notes.py`.
overviews = Table(
    "overviews",
    metadata,
    _text("patient", key=True),
    Column("minute", BigInteger, primary_key=True, autoincrement=False),  # since the epoch
    Column("frames", Integer, nullable=False),  # that begin in it, and that the row sums up
    Column("extremes", LargeBinary, nullable=False),  # `storage.envelope`; sealed: 28 bytes more than a multiple of 8
    sqlite_with_rowid=False,  # half a kilobyte a row, and a patient's day in one place
)

# Only ever added to: what was written about a patient stays as it was.
notes = Table(
    "notes",
    metadata,
    _serial(),
    _text("patient"),
    _text("text"),  # or its base64, sealed with the patient's key
    _text("by_whom"),
    _us("at_us"),
    Column("sealed", Boolean, nullable=False, server_default=false()),
    Index("ix_notes_patient", "patient", "id"),
    Index("ix_notes_at_us", "at_us"),
)

handovers = Table(
    "handovers",
    metadata,
    _serial(),
    _text("by_whom"),
    _text("to_whom"),
    _text("text"),
    _us("at_us"),
    Index("ix_handovers_at_us", "at_us"),
)

# The archive: what `frames` held, compacted to minutes, sealed with the patient's key. `storage/archive/`.
blocks = Table(
    "blocks",
    metadata,
    _serial(),
    _text("patient"),
    _text("device"),
    _text("lead"),
    Column("fs_hz", Double, nullable=False),
    Column("gain", Double, nullable=False),
    _us("t0_us"),  # of its first sample
    _us("t1_us"),  # just after its last
    _us("arrival_us"),  # of its newest frame
    Column("frames", Integer, nullable=False),
    Column("n", Integer, nullable=False),  # samples
    _flag("sealed"),
    Column("counts", LargeBinary, nullable=False),  # u32 each: frames that begin in each of its five minutes
    Column("previous", LargeBinary, nullable=False),  # digest of the patient's block before
    Column("content", LargeBinary, nullable=False),  # SHA-256 of this row
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of these two
    _us("dropped_us", null=True),  # its signal was deleted by retention; the row stays as a link of the chain
    _text("object", null=True),  # its name in the object store
    Column("meta", LargeBinary, nullable=False),  # identity and times of its frames
    Column("payload", LargeBinary),  # None: in the object store, or dropped
    Index("ix_blocks_patient_t0_us", "patient", "t0_us", "t1_us"),
)

# The end of each patient's chain, so that a cut-off one is seen; the row that whoever appends to it locks.
block_heads = Table(
    "block_heads",
    metadata,
    _text("patient", key=True),
    Column("base", LargeBinary, nullable=False),  # digest that the oldest row that is kept follows
    Column("last", BigInteger, nullable=False),  # id of the newest
    Column("digest", LargeBinary, nullable=False),  # of the newest
)

# Hot frames whose samples cannot be unpacked: out of everybody's way, as they were found.
damaged_frames = Table(
    "damaged_frames",
    metadata,
    _serial(),
    *(Column(c.name, c.type, nullable=c.nullable) for c in frames.columns),
    _text("why"),
    _us("found_us"),
    Index("ix_damaged_frames_patient", "patient"),
)

# What everything of a patient's is sealed with; may lie in a database of its own. `storage/keys.py`.
patient_keys = Table(
    "patient_keys",
    metadata,
    _text("patient", key=True),
    _text("master"),  # fingerprint of the key that wraps it
    Column("wrapped", LargeBinary),  # None: destroyed
    _us("made_us"),
    _us("destroyed_us", null=True),
    Index("ix_patient_keys_destroyed_us", "destroyed_us", postgresql_where=DESTROYED, sqlite_where=DESTROYED),
)

# What cohorts are chosen by and does not name anyone.
subjects = Table(
    "subjects",
    metadata,
    _text("patient", key=True),
    _text("site"),
    _text("sex"),  # female, male, other, unknown
    Column("birth_year", SmallInteger),
)

# Only ever added to: the newest row of a patient and scope holds.
consents = Table(
    "consents",
    metadata,
    _serial(),
    _text("patient"),
    _text("scope"),
    _flag("given"),
    _text("by_whom"),
    _us("at_us"),
    Index("ix_consents_patient", "patient", "scope", "id"),
)

# Systems that read the FHIR interface.
clients = Table(
    "clients",
    metadata,
    _text("client", key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),  # SHA-256; the token itself is never kept
    _text("scopes"),  # blank between them
    _text("by_whom"),
    _us("made_us"),
    _us("revoked_us", null=True),
)

# What was imported already, so that an import that broke off goes on.
imports = Table(
    "imports",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the signal; file names may name people
    _text("patient"),
    Column("samples", BigInteger, nullable=False),
    _us("at_us"),
)

# Every student there ever was, refused ones too, and what became of each.
models = Table(
    "models",
    metadata,
    _text("version", key=True),
    _text("parent", null=True),
    Column("weights_digest", LargeBinary, nullable=False),
    Column("data_digest", LargeBinary, nullable=False),
    _text("code_version"),
    _text("card"),
    _text("metrics"),  # JSON
    _us("made_us"),
)
# Here rather than in a folder, so that every monitor reaches them, and a backup holds them.
model_files = Table(
    "model_files",
    metadata,
    Column("version", Text, ForeignKey("models.version"), primary_key=True),
    _text("file", key=True),
    Column("content", LargeBinary, nullable=False),
)
model_steps = Table(
    "model_steps",
    metadata,
    _serial(),
    Column("version", Text, ForeignKey("models.version"), nullable=False),
    _text("step"),
    _text("by_whom"),
    _text("reason"),
    _us("at_us"),
    Index("ix_model_steps_version", "version", "id"),
)

GOING_ON = text("ended_us IS NULL")

# Attempts to grow a better student. One at a time: whoever holds it says so until `lease_us`, and what it has come to.
refreshes = Table(
    "refreshes",
    metadata,
    _serial(),
    _text("phase"),
    Column("share", Double, nullable=False),  # of the phase, 0 to 1
    _text("detail"),  # JSON: counts, checks, drift; nothing of one patient
    _text("holder"),
    _us("lease_us"),
    _us("began_us"),
    _us("told_us"),
    _us("ended_us", null=True),
    _text("outcome", null=True),  # candidate, refused, failed
    _text("reason"),
    _text("candidate", null=True),
    Column("one", Integer, nullable=False),  # always 1
    Column("salt", LargeBinary),  # of the names that windows of this attempt bear; None once it is over
    Index("ix_refreshes_one", "one", unique=True, postgresql_where=GOING_ON, sqlite_where=GOING_ON),
)
# What signal and findings of a site and a kind of device looked like at an attempt: `inference/refresh/drift.py`.
refresh_profiles = Table(
    "refresh_profiles",
    metadata,
    Column("refresh", BigInteger, ForeignKey("refreshes.id"), primary_key=True, autoincrement=False),
    _text("site_device", key=True),
    _text("profile"),  # JSON
)

Index("ix_alarm_events_at_us", alarm_events.c.at_us)  # a shift's worth, among years of them
