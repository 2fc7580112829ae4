"""What the monitor finds, and what it goes on from when it starts again; letters to the bus on their way."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, SmallInteger, Table, text

from storage.schema.columns import flag, metadata, micros, words

UNSENT = text("sent_us IS NULL")
UNSENT_NOTICE = text("sent_us IS NULL AND topic = 'notify'")  # few, among very many for the bus

findings = Table(
    "findings",
    metadata,
    words("patient", key=True),
    Column("t0_us", BigInteger, primary_key=True, autoincrement=False),
    words("model", key=True),
    micros("t1_us"),
    words("device"),
    words("lead"),
    Column("sqi", Double, nullable=False),
    flag("usable"),
    words("reasons"),  # comma between them
    flag("abstained"),
    Column("heart_rate_bpm", Double),
    words("layout"),  # which codes the scores belong to: score_layouts
    Column("scores", LargeBinary, nullable=False),  # float16 little-endian, one per code
    words("codes"),  # comma between them, most likely first
    micros("arrival_us"),
)

# A model names the same codes in every window: they are kept once instead of 400 bytes a row.
score_layouts = Table("score_layouts", metadata, words("layout", key=True), words("codes"))

patient_state = Table(
    "patient_state",
    metadata,
    words("patient", key=True),
    words("device"),
    words("lead"),
    Column("fs_hz", Double, nullable=False),
    micros("last_arrival_us"),
    micros("last_sample_us"),
    Column("heart_rate_bpm", Double),
    Column("sqi", Double),
    flag("usable"),
    flag("lead_off"),
    Column("battery_pct", SmallInteger),
    words("codes"),
    words("model", null=True),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    words("patient", key=True),
    words("state"),  # JSON
    Column("epoch", BigInteger, nullable=False, server_default="0"),  # counts its owners; an older one may not write
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    words("topic"),
    words("key"),
    Column("payload", LargeBinary, nullable=False),
    micros("created_us"),
    micros("claimed_us", null=True),
    micros("sent_us", null=True),
    Index("ix_outbox_unsent", "id", postgresql_where=UNSENT, sqlite_where=UNSENT),
    Index("ix_outbox_notify", "id", postgresql_where=UNSENT_NOTICE, sqlite_where=UNSENT_NOTICE),
    sqlite_autoincrement=True,  # an id is never given twice, so that a late `mark_sent` cannot hit another letter
)

heartbeats = Table(
    "heartbeats",
    metadata,
    words("role", key=True),
    words("instance", key=True),
    micros("at_us"),
    Column("since_us", BigInteger, nullable=False, server_default="0"),  # begin of its unbroken run
)
