"""The tables as the statements see them. The migrations make them; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

# JSON is kept as text, never as a database's own JSON type: the hashes are of the exact text.
metadata = MetaData()

conversations = Table(
    "conversations",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("policy", Text, nullable=False),
    Column("policy_digest", String(64), nullable=False),
    Column("state", Text, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("over", Boolean, nullable=False),
    Column("lease_owner", Text),
    Column("lease_expires", BigInteger),
    Column("last_sequence", Integer, nullable=False),
    Column("last_hash", String(64), nullable=False),
    Index("conversations_open", "open", "lease_expires"),
)

records = Table(
    "records",
    metadata,
    Column("conversation", ForeignKey("conversations.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("request_id", Text),
    Column("at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("digests", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

personal = Table(
    "personal",
    metadata,
    Column("conversation", String(36), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("path", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    ForeignKeyConstraint(["conversation", "sequence"], ["records.conversation", "records.sequence"]),
)

requests = Table(
    "requests",
    metadata,
    Column("conversation", ForeignKey("conversations.id"), primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("body_digest", String(64), nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("response", LargeBinary),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("conversation", String(36), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", Text),
    Column("key", Text, nullable=False, unique=True),
    Column("status", String(7), nullable=False),
    Column("due", BigInteger),
    ForeignKeyConstraint(["conversation", "sequence"], ["records.conversation", "records.sequence"]),
    CheckConstraint("status IN ('pending', 'taken', 'done')", name="outbox_status"),
    Index("outbox_waiting", "status", "id"),
    Index("outbox_conversation", "conversation"),
    Index("outbox_due", "status", "due"),
)

log = Table(
    "log",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("conversation", String(36), nullable=False),
    Column("version", Integer, nullable=False),
    Column("last_sequence", Integer, nullable=False),
    Column("last_hash", String(64), nullable=False),
    Column("row_mac", String(64), nullable=False),
    Index("log_conversation", "conversation", "position"),
)

head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("mac", String(64), nullable=False),
    Column("key_check", String(64), nullable=False),
)
