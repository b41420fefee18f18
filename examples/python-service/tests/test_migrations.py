"""The revisions, the models and what is made from them agree."""

import re
import subprocess
import sys

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from berths import database
from berths.models import Base
from berths.settings import ROOT


def schema() -> list[str]:
    """Columns, constraints and indexes, as the server prints them."""
    wanted = """
        SELECT concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1
    """
    with database.engine().connect() as connection:
        return list(connection.scalars(text(wanted)))


def test_the_models_are_what_the_revisions_make(migrated: Config) -> None:
    with database.engine().connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_every_revision_can_be_taken_back(migrated: Config) -> None:
    there = schema()
    command.downgrade(migrated, "base")
    command.upgrade(migrated, "head")
    assert schema() == there


def test_the_source_is_what_the_applied_revisions_make(alembic: Config) -> None:
    command.upgrade(alembic, "0003")
    there = schema()
    command.downgrade(alembic, "base")
    script = [sys.executable, str(ROOT / "data" / "make_source.py")]
    source = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    # Roles are the server's, not the database's: the test leaves them alone.
    source = re.sub(r"^(CREATE ROLE|ALTER TABLE \w+ OWNER|GRANT) .*$", "", source, flags=re.MULTILINE)
    with database.engine().begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
        connection.connection.driver_connection.execute(source)
    assert schema() == there
    with database.engine().connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM bookings")) == 60000
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0003"


def test_every_registered_query_runs(migrated: Config) -> None:
    queries = (ROOT / "queries" / "bookings.sql").read_text().split("-- name: ")[1:]
    assert len(queries) == 3
    with database.engine().connect() as connection:
        for query in queries:
            given = re.search(r"^-- params \w+: (.*)$", query, flags=re.MULTILINE)
            values = dict(re.findall(r"(\w+) = '?([^',]+)'?", given.group(1)))
            sql = "\n".join(line for line in query.splitlines()[1:] if not line.startswith("--"))
            connection.execute(text(sql), {name: int(v) if v.isdigit() else v for name, v in values.items()})
