"""Berth bookings of a harbour, over HTTP."""
