"""Berths and vessels."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "berths",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("quay", sa.String(20), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("length_cm", sa.Integer, nullable=False),
        sa.Column("depth_cm", sa.Integer, nullable=False),
    )
    op.create_index("berths_quay_number_key", "berths", ["quay", "number"], unique=True)
    op.create_table(
        "vessels",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("call_sign", sa.String(10), nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("length_cm", sa.Integer, nullable=False),
        sa.Column("draught_cm", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("vessels")
    op.drop_table("berths")
