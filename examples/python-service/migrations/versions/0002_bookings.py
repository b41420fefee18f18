"""Bookings."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "bookings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("berth_id", sa.Integer, sa.ForeignKey("berths.id"), nullable=False),
        sa.Column("vessel_id", sa.Integer, sa.ForeignKey("vessels.id"), nullable=False),
        sa.Column("arrives_on", sa.Date, nullable=False),
        sa.Column("leaves_on", sa.Date, nullable=False),
        sa.Column("status", sa.String(12), nullable=False, server_default="booked"),
        sa.Column("booked_at", sa.DateTime, nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("leaves_on > arrives_on", name="bookings_leaves_after_arrival"),
    )
    op.create_index("bookings_berth_arrival_idx", "bookings", ["berth_id", "arrives_on"])
    op.create_index("bookings_vessel_idx", "bookings", ["vessel_id"])


def downgrade() -> None:
    op.drop_table("bookings")
