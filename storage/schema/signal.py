"""Signal as it arrived, as it is kept, and as it is looked at from afar."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, SmallInteger, Table

from storage.schema.columns import flag, metadata, micros, serial, words

# An ordinary rowid table on SQLite: WITHOUT ROWID would push the payloads to overflow pages, at twice the size.
frames = Table(
    "frames",
    metadata,
    words("device", key=True),
    Column("boot", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    words("patient"),
    micros("t0_us"),
    micros("t1_us"),
    micros("arrival_us"),
    Column("fs_hz", Double, nullable=False),
    Column("gain", Double, nullable=False),
    words("lead"),
    flag("lead_off"),
    Column("battery_pct", SmallInteger),
    Column("n", Integer, nullable=False),  # samples
    Column("codec", SmallInteger, nullable=False),  # `storage.codec`, and `storage.frame_rows.SEALED`
    Column("payload", LargeBinary, nullable=False),
    Index("ix_frames_patient_arrival_us", "patient", "arrival_us"),  # the ring of a restart
    Index("ix_frames_patient_t0_us", "patient", "t0_us", "t1_us"),  # t1_us: strips are found in the index alone
)

# What is looked back at. `storage/minutes.py`.
overviews = Table(
    "overviews",
    metadata,
    words("patient", key=True),
    Column("minute", BigInteger, primary_key=True, autoincrement=False),  # since the epoch
    Column("frames", Integer, nullable=False),  # that begin in it, and that the row sums up
    Column("extremes", LargeBinary, nullable=False),  # `storage.envelope`; sealed: 28 bytes more than a multiple of 8
    sqlite_with_rowid=False,  # half a kilobyte a row, and a patient's day in one place
)

# The archive: what `frames` held, compacted to minutes, sealed with the patient's key. `storage/archive/`.
blocks = Table(
    "blocks",
    metadata,
    serial(),
    words("patient"),
    words("device"),
    words("lead"),
    Column("fs_hz", Double, nullable=False),
    Column("gain", Double, nullable=False),
    micros("t0_us"),  # of its first sample
    micros("t1_us"),  # just after its last
    micros("arrival_us"),  # of its newest frame
    Column("frames", Integer, nullable=False),
    Column("n", Integer, nullable=False),  # samples
    flag("sealed"),
    Column("counts", LargeBinary, nullable=False),  # u32 each: frames that begin in each of its five minutes
    Column("previous", LargeBinary, nullable=False),  # digest of the patient's block before
    Column("content", LargeBinary, nullable=False),  # SHA-256 of this row
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of these two
    micros("dropped_us", null=True),  # its signal was deleted by retention; the row stays as a link of the chain
    words("object", null=True),  # its name in the object store
    Column("meta", LargeBinary, nullable=False),  # identity and times of its frames
    Column("payload", LargeBinary),  # None: in the object store, or dropped
    Index("ix_blocks_patient_t0_us", "patient", "t0_us", "t1_us"),
)

# The end of each patient's chain, so that a cut-off one is seen; the row that whoever appends to it locks.
block_heads = Table(
    "block_heads",
    metadata,
    words("patient", key=True),
    Column("base", LargeBinary, nullable=False),  # digest that the oldest row that is kept follows
    Column("last", BigInteger, nullable=False),  # id of the newest
    Column("digest", LargeBinary, nullable=False),  # of the newest
)

# Hot frames whose samples cannot be unpacked: out of everybody's way, as they were found.
damaged_frames = Table(
    "damaged_frames",
    metadata,
    serial(),
    *(Column(c.name, c.type, nullable=c.nullable) for c in frames.columns),
    words("why"),
    micros("found_us"),
    Index("ix_damaged_frames_patient", "patient"),
)
