"""How the service is: whether it reaches its database, and which migrations that still lacks."""

from typing import Literal

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import BaseModel
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from berths.settings import ROOT, build


class Health(BaseModel):
    """What `/health` answers."""

    status: Literal["ok", "migrations pending", "database unreachable"]
    database: bool
    pending: list[str]
    build: str


def pending_revisions(engine: Engine) -> list[str]:
    """Revisions of this build that the database lacks, in the order they would run."""
    script = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))
    with engine.connect() as connection:
        applied = MigrationContext.configure(connection).get_current_heads()
    done = {each.revision for each in script.iterate_revisions(applied, "base")} if applied else set()
    planned = script.walk_revisions("base", "heads")
    return [each.revision for each in planned if each.revision not in done][::-1]


def look(engine: Engine) -> Health:
    """Asks the database."""
    try:
        pending = pending_revisions(engine)
    except OperationalError:
        return Health(status="database unreachable", database=False, pending=[], build=build())
    status = "migrations pending" if pending else "ok"
    return Health(status=status, database=True, pending=pending, build=build())
