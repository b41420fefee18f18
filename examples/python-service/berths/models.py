"""Tables."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, Text, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """All tables of the service."""


class Berth(Base):
    """A place at a quay."""

    __tablename__ = "berths"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    quay: Mapped[str] = mapped_column(String(20))
    number: Mapped[int]
    length_cm: Mapped[int]
    depth_cm: Mapped[int]

    __table_args__ = (Index("berths_quay_number_key", "quay", "number", unique=True),)


class Vessel(Base):
    """What lies at a berth."""

    __tablename__ = "vessels"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    call_sign: Mapped[str] = mapped_column(String(10), unique=True)
    name: Mapped[str] = mapped_column(Text)
    length_cm: Mapped[int]
    draught_cm: Mapped[int]


class Booking(Base):
    """A berth for a vessel, from the day it arrives to the day it leaves."""

    __tablename__ = "bookings"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    berth_id: Mapped[int] = mapped_column(ForeignKey("berths.id"))
    vessel_id: Mapped[int] = mapped_column(ForeignKey("vessels.id"))
    arrives_on: Mapped[date]
    leaves_on: Mapped[date]
    status: Mapped[str] = mapped_column(String(12), server_default="booked")
    booked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    note: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("leaves_on > arrives_on", name="bookings_leaves_after_arrival"),
        CheckConstraint("status IN ('booked', 'arrived', 'cancelled')", name="bookings_status_known"),
        Index("bookings_berth_arrival_idx", "berth_id", "arrives_on"),
        Index("bookings_vessel_idx", "vessel_id"),
        Index("bookings_expected_idx", "arrives_on", postgresql_where=text("status = 'booked'")),
    )
