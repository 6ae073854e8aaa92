"""The first schema: conversations, their audit log, requests, outbox, and the keyed log over them all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """The tables of the first schema exist."""
    _conversations()
    _records()
    _requests()
    _outbox()
    _log()


def downgrade() -> None:
    """There is nothing before the first schema, and no data is thrown away."""
    raise NotImplementedError("the first schema is not undone")


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("policy_digest", sa.String(64), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("over", sa.Boolean, nullable=False),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_expires", sa.BigInteger),
        sa.Column("last_sequence", sa.Integer, nullable=False),
        sa.Column("last_hash", sa.String(64), nullable=False),
    )
    op.create_index("conversations_open", "conversations", ["open", "lease_expires"])


def _records() -> None:
    op.create_table(
        "records",
        sa.Column("conversation", sa.String(36), sa.ForeignKey("conversations.id"), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("request_id", sa.Text),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("digests", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "personal",
        sa.Column("conversation", sa.String(36), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["conversation", "sequence"], ["records.conversation", "records.sequence"]),
    )


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("conversation", sa.String(36), sa.ForeignKey("conversations.id"), primary_key=True),
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("body_digest", sa.String(64), nullable=False),
        sa.Column("answered", sa.Boolean, nullable=False),
        sa.Column("response", sa.LargeBinary),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("conversation", sa.String(36), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("status", sa.String(7), nullable=False),
        sa.ForeignKeyConstraint(["conversation", "sequence"], ["records.conversation", "records.sequence"]),
        sa.CheckConstraint("status IN ('pending', 'taken', 'done')", name="outbox_status"),
    )
    op.create_index("outbox_waiting", "outbox", ["status", "id"])
    op.create_index("outbox_conversation", "outbox", ["conversation"])


def _log() -> None:
    op.create_table(
        "log",
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False
        ),
        sa.Column("conversation", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("last_sequence", sa.Integer, nullable=False),
        sa.Column("last_hash", sa.String(64), nullable=False),
        sa.Column("row_mac", sa.String(64), nullable=False),
    )
    op.create_index("log_conversation", "log", ["conversation", "position"])
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("mac", sa.String(64), nullable=False),
        sa.Column("key_check", sa.String(64), nullable=False),
    )
