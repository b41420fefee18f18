"""What `/health` tells."""

import pytest
from alembic import command
from alembic.config import Config
from fastapi.testclient import TestClient

from berths import database

ALL = ["0001", "0002", "0003", "0004", "0005"]


def test_pending_migrations_are_listed_until_they_are_applied(client: TestClient, alembic: Config) -> None:
    before = client.get("/health")
    assert before.status_code == 200
    assert before.json()["pending"] == ALL
    assert before.json()["status"] == "migrations pending"
    command.upgrade(alembic, "0003")
    assert client.get("/health").json()["pending"] == ["0004", "0005"]
    command.upgrade(alembic, "head")
    assert client.get("/health").json() == {
        "status": "ok",
        "database": True,
        "pending": [],
        "build": "unknown",
    }


def test_the_build_is_what_the_deployment_calls_it(
    client: TestClient, migrated: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD", "2026.11.2")
    assert client.get("/health").json()["build"] == "2026.11.2"


def test_without_its_database_the_service_says_so(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens there.
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    database.engine.cache_clear()
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "database unreachable"
    assert answer.json()["database"] is False
