"""Alembic reads this file to run migrations on the connection that it is given."""

from typing import Any

from alembic import context

from topfive.history.schema import METADATA

_given: dict[str, Any] = context.config.attributes

context.configure(
    connection=_given["connection"],
    target_metadata=METADATA,
    # A database may be shared with another program that uses Alembic.
    version_table=_given["version_table"],
    on_version_apply=_given["on_version_apply"],
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
