"""What the surroundings decide."""

import os
from pathlib import Path

from sqlalchemy import URL, make_url

ROOT = Path(__file__).resolve().parent.parent


def database_url() -> URL:
    """The database, from DATABASE_URL; whatever driver that names, psycopg 3 is used."""
    text = os.environ.get("DATABASE_URL")
    if not text:
        raise SystemExit("DATABASE_URL is not set: name a PostgreSQL database, such as postgresql:///berths")
    return make_url(text).set(drivername="postgresql+psycopg")


def build() -> str:
    """Which build this is: what the deployment calls it in BUILD."""
    return os.environ.get("BUILD", "unknown")
