"""Booking numbers that never run out.

Kept apart: this is what the check is there to stop. The type takes eight bytes instead of four, so that the
whole table is written anew, and nobody reads or writes it until that is done. And the index that looked
superfluous is what finds the bookings of a vessel.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.alter_column("bookings", "id", type_=sa.BigInteger)
    op.drop_index("bookings_vessel_idx", "bookings")


def downgrade() -> None:
    op.create_index("bookings_vessel_idx", "bookings", ["vessel_id"])
    op.alter_column("bookings", "id", type_=sa.Integer)
