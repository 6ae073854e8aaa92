"""Acts of the outbox that come by themselves are found by the time at which they are due."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Every act that is not done has its time in a column of its own."""
    op.add_column("outbox", sa.Column("due", sa.BigInteger))
    op.execute("UPDATE outbox SET due = json_extract(payload, '$.due') WHERE status <> 'done'")
    op.create_index("outbox_due", "outbox", ["status", "due"])


def downgrade() -> None:
    """The times stay in the payloads as well, so that nothing is lost."""
    op.drop_index("outbox_due", "outbox")
    op.drop_column("outbox", "due")
