"""Patients as pseudonyms, their beds and devices."""

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Text, text

from storage.schema.columns import metadata, micros, serial, words

patients = Table(
    "patients",
    metadata,
    words("patient_id", key=True),
    words("bed"),
    micros("admitted_us", null=True),
    micros("discharged_us", null=True),  # since then not on the wall and not missed; None: here
)

devices = Table(
    "devices",
    metadata,
    words("device_id", key=True),
    Column("patient_id", Text, ForeignKey("patients.patient_id"), nullable=False, index=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),  # SHA-256; the token itself is never kept
    micros("revoked_us", null=True),
    words("mqtt_hash", null=True),  # the token again, as an MQTT broker's password file wants it
)

STAYING = text("ended_us IS NULL")

# One row for each bed of a stay; a transfer ends one and begins another.
admissions = Table(
    "admissions",
    metadata,
    serial(),
    Column("patient_id", Text, ForeignKey("patients.patient_id"), nullable=False),
    words("bed"),
    micros("since_us"),
    words("by_whom"),
    micros("ended_us", null=True),
    words("ended_by", null=True),
    Index("ix_admissions_patient_id", "patient_id", unique=True, postgresql_where=STAYING, sqlite_where=STAYING),
    Index("ix_admissions_bed", "bed", unique=True, postgresql_where=STAYING, sqlite_where=STAYING),
)

pairings = Table(
    "pairings",
    metadata,
    serial(),
    Column("patient_id", Text, ForeignKey("patients.patient_id"), nullable=False, index=True),
    Column("code_hash", LargeBinary, nullable=False, unique=True),  # scrypt; the code is shown once
    words("by_whom"),
    micros("created_us"),
    micros("until_us"),
    micros("ended_us", null=True),  # used, or another took its place
    words("device", null=True),  # that used it
)
