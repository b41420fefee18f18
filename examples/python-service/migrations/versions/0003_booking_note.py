"""A note on a booking.

The lock is the strongest there is, but held for a moment only, and it is not waited for long.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column("bookings", sa.Column("note", sa.Text))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_column("bookings", "note")
