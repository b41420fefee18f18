"""What the tests share: a server, and an empty database for each test."""

import os
from collections.abc import Iterator
from itertools import count

import pytest
from alembic import command
from alembic.config import Config
from fastapi.testclient import TestClient
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.orm import Session

from berths import database
from berths.main import app
from berths.settings import ROOT
from server import temporary_server

numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[URL]:
    """The server of DATABASE_URL, where the tests make databases of their own; else one for them alone."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield make_url(given).set(drivername="postgresql+psycopg")
        return
    with temporary_server() as url:
        yield make_url(url).set(drivername="postgresql+psycopg")


@pytest.fixture
def empty(server: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[URL]:
    """A database without anything in it, which is what DATABASE_URL names during the test."""
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"berths_test_{os.getpid()}_{next(numbers)}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = server.set(database=name)
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    database.engine.cache_clear()
    try:
        yield url
    finally:
        database.engine().dispose()
        database.engine.cache_clear()
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}"))
        admin.dispose()


@pytest.fixture
def alembic(empty: URL) -> Config:
    """Alembic, for the database of the test."""
    return Config(ROOT / "alembic.ini")


@pytest.fixture
def migrated(alembic: Config) -> Config:
    """The same, once everything is applied."""
    command.upgrade(alembic, "head")
    return alembic


@pytest.fixture
def client(empty: URL) -> TestClient:
    """The service."""
    return TestClient(app)


@pytest.fixture
def rows(migrated: Config) -> Iterator[Session]:
    """A session in which rows are put in place; what it holds is committed when the test says so."""
    with Session(database.engine()) as session:
        yield session
