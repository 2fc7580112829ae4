"""Sessions that outlive a process, stays, identities, pairing codes, and an audit whose rows hold each other."""

import sqlalchemy as sa
from alembic import op

from storage.audit import GENESIS, Deed, chained

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STAYING = sa.text("ended_us IS NULL")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("patients", sa.Column("discharged_us", sa.BigInteger(), nullable=True))
    op.create_table(
        "audit_head",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.add_column("audit", sa.Column("digest", sa.LargeBinary(), nullable=True))
    _chain_what_is_there()
    with op.batch_alter_table("audit") as batch:
        batch.alter_column("digest", existing_type=sa.LargeBinary(), nullable=False)
    op.create_index("ix_audit_subject", "audit", ["subject", "id"])
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("began_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["username"], ["people.username"], name=op.f("fk_sessions_username")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_username"), "sessions", ["username"])
    op.create_table(
        "admissions",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("bed", sa.Text(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.patient_id"], name=op.f("fk_admissions_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admissions")),
    )
    for column in ("patient_id", "bed"):
        op.create_index(
            f"ix_admissions_{column}",
            "admissions",
            [column],
            unique=True,
            postgresql_where=STAYING,
            sqlite_where=STAYING,
        )
    op.create_table(
        "identities",
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("master", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.patient_id"], name=op.f("fk_identities_patient_id")),
        sa.PrimaryKeyConstraint("patient_id", name=op.f("pk_identities")),
    )
    op.create_table(
        "break_glass",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.patient_id"], name=op.f("fk_break_glass_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_break_glass")),
    )
    op.create_index("ix_break_glass_patient_id", "break_glass", ["patient_id", "by_whom"])
    op.create_table(
        "pairings",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("device", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.patient_id"], name=op.f("fk_pairings_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pairings")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_pairings_code_hash")),
    )
    op.create_index(op.f("ix_pairings_patient_id"), "pairings", ["patient_id"])


def _chain_what_is_there() -> None:
    """Rows of before get their links now: what happened to them until today no chain can tell."""
    connection = op.get_bind()
    columns = ("at_us", "by_whom", "action", "subject", "detail")
    audit = sa.table("audit", sa.column("id"), sa.column("digest"), *map(sa.column, columns))
    last, digest = 0, GENESIS
    rows = connection.execute(sa.select(audit).order_by(audit.c.id)).all()
    for row in rows:
        last, digest = (
            row.id,
            chained(digest, row.id, Deed(row.at_us, row.by_whom, row.action, row.subject), row.detail),
        )
        connection.execute(sa.update(audit).where(audit.c.id == last).values(digest=digest))
    if rows:
        head = sa.table("audit_head", sa.column("id"), sa.column("last"), sa.column("digest"))
        connection.execute(sa.insert(head).values(id=1, last=last, digest=digest))


def downgrade() -> None:
    for table in ("pairings", "break_glass", "identities", "admissions", "sessions", "audit_head"):
        op.drop_table(table)
    op.drop_index("ix_audit_subject", "audit")
    with op.batch_alter_table("audit") as batch:
        batch.drop_column("digest")
    op.drop_column("patients", "discharged_us")
