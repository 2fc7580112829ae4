"""Who may sign in, and other systems."""

from sqlalchemy import Column, ForeignKey, LargeBinary, Table, Text

from storage.schema.columns import metadata, micros, words

people = Table("people", metadata, words("username", key=True), words("role"), words("password_hash"))

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256; the token itself is never kept
    Column("username", Text, ForeignKey("people.username"), nullable=False, index=True),
    micros("began_us"),
    micros("seen_us"),  # to the minute
    words("peer"),  # the network address that signed in
)

# Systems that read the FHIR interface.
clients = Table(
    "clients",
    metadata,
    words("client", key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),  # SHA-256; the token itself is never kept
    words("scopes"),  # blank between them
    words("by_whom"),
    micros("made_us"),
    micros("revoked_us", null=True),
)
