"""Looking for a berth, and taking it."""

from datetime import date
from typing import TypeVar

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, model_validator
from sqlalchemy import exists, select

from berths.database import Database
from berths.models import Berth, Booking, Vessel

Row = TypeVar("Row")

router = APIRouter()


class BerthSeen(BaseModel):
    """A berth as callers see it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    quay: str
    number: int
    length_cm: int
    depth_cm: int


class Wish(BaseModel):
    """What somebody wants to book."""

    berth_id: int
    vessel_id: int
    arrives_on: date
    leaves_on: date
    note: str | None = None

    @model_validator(mode="after")
    def leaves_after_arrival(self) -> "Wish":
        """A stay has at least one night."""
        if self.leaves_on <= self.arrives_on:
            raise ValueError("leaves_on has to be after arrives_on")
        return self


class BookingSeen(Wish):
    """A booking as callers see it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    status: str


def taken(arrives_on: date, leaves_on: date):
    """Whether a berth has a booking on one of the nights between two days."""
    return exists().where(
        Booking.berth_id == Berth.id,
        Booking.status != "cancelled",
        Booking.arrives_on < leaves_on,
        Booking.leaves_on > arrives_on,
    )


@router.get("/berths/free")
def free_berths(database: Database, vessel_id: int, arrives_on: date, leaves_on: date) -> list[BerthSeen]:
    """Berths that a vessel fits into and that nobody has booked, the tightest first."""
    vessel = found(database.get(Vessel, vessel_id), "vessel")
    wanted = (
        select(Berth)
        .where(
            Berth.length_cm >= vessel.length_cm,
            Berth.depth_cm > vessel.draught_cm,
            ~taken(arrives_on, leaves_on),
        )
        .order_by(Berth.length_cm, Berth.id)
        .limit(20)
    )
    return [BerthSeen.model_validate(berth) for berth in database.scalars(wanted)]


@router.get("/arrivals")
def arrivals(database: Database, day: date) -> list[BookingSeen]:
    """Who is expected on a day."""
    expected = (
        select(Booking)
        .where(Booking.arrives_on == day, Booking.status == "booked")
        .order_by(Booking.berth_id, Booking.id)
    )
    return [BookingSeen.model_validate(booking) for booking in database.scalars(expected)]


@router.post("/bookings", status_code=201)
def book(database: Database, wish: Wish) -> BookingSeen:
    """Takes a berth, unless somebody was faster."""
    # Whoever books this berth at the same time waits here, and then sees what was booked.
    berth = found(database.get(Berth, wish.berth_id, with_for_update=True), "berth")
    vessel = found(database.get(Vessel, wish.vessel_id), "vessel")
    if vessel.length_cm > berth.length_cm or vessel.draught_cm >= berth.depth_cm:
        raise HTTPException(409, "the vessel does not fit into this berth")
    busy = select(taken(wish.arrives_on, wish.leaves_on)).where(Berth.id == berth.id)
    if database.scalar(busy):
        raise HTTPException(409, "the berth is taken on one of these nights")
    booking = Booking(**wish.model_dump())
    database.add(booking)
    database.flush()
    return BookingSeen.model_validate(booking)


@router.delete("/bookings/{booking_id}", status_code=204)
def cancel(database: Database, booking_id: int) -> None:
    """Gives a berth back."""
    found(database.get(Booking, booking_id), "booking").status = "cancelled"


def found(row: Row | None, what: str) -> Row:
    """A row that has to be there."""
    if row is None:
        raise HTTPException(404, f"no such {what}")
    return row
