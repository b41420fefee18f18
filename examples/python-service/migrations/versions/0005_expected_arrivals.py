"""An index for the list of expected arrivals, built while others write."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "bookings_expected_idx",
            "bookings",
            ["arrives_on"],
            postgresql_where=sa.text("status = 'booked'"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("bookings_expected_idx", "bookings", postgresql_concurrently=True)
