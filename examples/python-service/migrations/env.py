"""How Alembic reaches the database: DATABASE_URL, one transaction for each revision."""

import logging

from alembic import context
from sqlalchemy import create_engine, pool

from berths.models import Base
from berths.settings import database_url


def run_offline() -> None:
    """Writes the SQL instead of sending it."""
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Sends it. A revision with an autocommit_block() commits what is before it."""
    engine = create_engine(database_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=Base.metadata, transaction_per_migration=True
        )
        with context.begin_transaction():
            context.run_migrations()


# Each revision is named as it begins.
logging.basicConfig(format="%(message)s")
logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)

if context.is_offline_mode():
    run_offline()
else:
    run_online()
