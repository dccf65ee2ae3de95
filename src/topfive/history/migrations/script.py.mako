"""${message}."""

import sqlalchemy as sql
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

# What a step down deletes, in words; empty: nothing.
LOST_BY_DOWNGRADE = ""


def upgrade() -> None:
    """TODO: what is there afterwards."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """TODO: what is deleted."""
    ${downgrades if downgrades else "pass"}
