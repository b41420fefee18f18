"""Bookings have one of three states.

NOT VALID holds the lock for a moment and minds new rows only; the rows that are there are looked at in a
transaction of their own, next to which others read and write.
"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute(
        "ALTER TABLE bookings ADD CONSTRAINT bookings_status_known "
        "CHECK (status IN ('booked', 'arrived', 'cancelled')) NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE bookings VALIDATE CONSTRAINT bookings_status_known")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_constraint("bookings_status_known", "bookings")
