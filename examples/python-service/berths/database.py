"""The engine, and a session for each request."""

from collections.abc import Iterator
from functools import cache
from typing import Annotated

from fastapi import Depends
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from berths.settings import database_url


@cache
def engine() -> Engine:
    """One engine for the process. It connects when it is first used."""
    return create_engine(database_url(), pool_pre_ping=True, connect_args={"connect_timeout": 5})


def session() -> Iterator[Session]:
    """A session that commits once the request has been answered without an error."""
    with Session(engine()) as opened, opened.begin():
        yield opened


Database = Annotated[Session, Depends(session, scope="function")]
