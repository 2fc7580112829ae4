"""The archive of blocks, a key for each patient, consent, cohorts, readers of the API, versions of models."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "patient_keys",
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("master", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("made_us", sa.BigInteger(), nullable=False),
        sa.Column("destroyed_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("patient", name=op.f("pk_patient_keys")),
    )
    destroyed = sa.text("destroyed_us IS NOT NULL")
    op.create_index(
        "ix_patient_keys_destroyed_us",
        "patient_keys",
        ["destroyed_us"],
        postgresql_where=destroyed,
        sqlite_where=destroyed,
    )
    op.execute(
        "INSERT INTO patient_keys (patient, master, wrapped, made_us) "
        "SELECT patient_id, master, wrapped_key, at_us FROM identities WHERE wrapped_key IS NOT NULL"
    )
    op.execute("DELETE FROM identities WHERE wrapped_key IS NULL")  # destroyed: there is nothing left to read
    with op.batch_alter_table("identities") as identities:
        identities.drop_column("wrapped_key")
        identities.drop_column("master")
    op.add_column("notes", sa.Column("sealed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "blocks",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("lead", sa.Text(), nullable=False),
        sa.Column("fs_hz", sa.Double(), nullable=False),
        sa.Column("gain", sa.Double(), nullable=False),
        sa.Column("t0_us", sa.BigInteger(), nullable=False),
        sa.Column("t1_us", sa.BigInteger(), nullable=False),
        sa.Column("arrival_us", sa.BigInteger(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("dropped_us", sa.BigInteger(), nullable=True),
        sa.Column("object", sa.Text(), nullable=True),
        sa.Column("meta", sa.LargeBinary(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocks")),
    )
    op.create_index("ix_blocks_patient_t0_us", "blocks", ["patient", "t0_us", "t1_us"])
    op.create_table(
        "block_heads",
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("base", sa.LargeBinary(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("patient", name=op.f("pk_block_heads")),
    )
    op.create_table(
        "damaged_frames",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("t0_us", sa.BigInteger(), nullable=False),
        sa.Column("t1_us", sa.BigInteger(), nullable=False),
        sa.Column("arrival_us", sa.BigInteger(), nullable=False),
        sa.Column("fs_hz", sa.Double(), nullable=False),
        sa.Column("gain", sa.Double(), nullable=False),
        sa.Column("lead", sa.Text(), nullable=False),
        sa.Column("lead_off", sa.Boolean(), nullable=False),
        sa.Column("battery_pct", sa.SmallInteger(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("codec", sa.SmallInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("found_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_damaged_frames")),
    )
    op.create_index("ix_damaged_frames_patient", "damaged_frames", ["patient"])
    op.create_table(
        "subjects",
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("sex", sa.Text(), nullable=False),
        sa.Column("birth_year", sa.SmallInteger(), nullable=True),
        sa.PrimaryKeyConstraint("patient", name=op.f("pk_subjects")),
    )
    op.create_table(
        "consents",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index("ix_consents_patient", "consents", ["patient", "scope", "id"])
    op.create_table(
        "clients",
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("made_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("client", name=op.f("pk_clients")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_clients_token_hash")),
    )
    op.create_table(
        "imports",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_imports")),
    )
    op.create_table(
        "models",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("weights_digest", sa.LargeBinary(), nullable=False),
        sa.Column("data_digest", sa.LargeBinary(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("made_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_models")),
    )
    op.create_table(
        "model_files",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["version"], ["models.version"], name=op.f("fk_model_files_version_models")),
        sa.PrimaryKeyConstraint("version", "file", name=op.f("pk_model_files")),
    )
    op.create_table(
        "model_steps",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["version"], ["models.version"], name=op.f("fk_model_steps_version_models")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_steps")),
    )
    op.create_index("ix_model_steps_version", "model_steps", ["version", "id"])
    op.create_table(
        "refreshes",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("lease_us", sa.BigInteger(), nullable=False),
        sa.Column("began_us", sa.BigInteger(), nullable=False),
        sa.Column("told_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("candidate", sa.Text(), nullable=True),
        sa.Column("one", sa.Integer(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refreshes")),
    )
    going_on = sa.text("ended_us IS NULL")
    op.create_index(
        "ix_refreshes_one", "refreshes", ["one"], unique=True, postgresql_where=going_on, sqlite_where=going_on
    )
    op.create_table(
        "refresh_profiles",
        sa.Column("refresh", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("site_device", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["refresh"], ["refreshes.id"], name=op.f("fk_refresh_profiles_refresh_refreshes")),
        sa.PrimaryKeyConstraint("refresh", "site_device", name=op.f("pk_refresh_profiles")),
    )
    op.add_column("devices", sa.Column("mqtt_hash", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("devices") as devices:
        devices.drop_column("mqtt_hash")
    with op.batch_alter_table("notes") as notes:
        notes.drop_column("sealed")
    with op.batch_alter_table("identities") as identities:
        identities.add_column(sa.Column("master", sa.Text(), server_default="", nullable=False))
        identities.add_column(sa.Column("wrapped_key", sa.LargeBinary(), nullable=True))
    op.execute(
        "UPDATE identities SET master = k.master, wrapped_key = k.wrapped "
        "FROM patient_keys AS k WHERE k.patient = identities.patient_id AND k.wrapped IS NOT NULL"
    )
    for table in (
        "refresh_profiles",
        "refreshes",
        "model_steps",
        "model_files",
        "models",
        "imports",
        "clients",
        "consents",
        "subjects",
        "damaged_frames",
        "block_heads",
    ):
        op.drop_table(table)
    for table in ("blocks", "patient_keys"):
        op.drop_table(table)
