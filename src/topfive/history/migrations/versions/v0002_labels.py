"""Labels, references, and the indexes that pages and labels are found by."""

from typing import Any

import sqlalchemy as sql
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LOST_BY_DOWNGRADE = "all labels and references for drift"

_UNLABELLED = sql.text("label_class_id IS NULL")
_LABELLED = sql.text("label_class_id IS NOT NULL")

# Columns that a row may lack are added without rewriting the table.
_COLUMNS: dict[str, Any] = {
    "label_class_id": sql.Integer,
    "label_rank": sql.Integer,
    "label_source": sql.String(16),
    "labelled_at": sql.DateTime(timezone=True),
}

_INDEXES = {
    "ix_predictions_unlabelled": (["model_id", "id"], _UNLABELLED),
    "ix_predictions_labelled": (["model_id", "id"], _LABELLED),
    "ix_predictions_unlabelled_confidence": (["model_id", "confidence", "id"], _UNLABELLED),
    "ix_predictions_labelled_confidence": (["model_id", "confidence", "id"], _LABELLED),
    "ix_predictions_class_id": (["class_id", "id"], None),
    "ix_predictions_request_id": (["request_id", "id"], None),
    "ix_predictions_picture_sha256": (["picture_sha256", "id"], None),
}


def upgrade() -> None:
    """Give rows room for a label, models for a reference, and make the indexes."""
    for name, kind in _COLUMNS.items():
        op.add_column("predictions", sql.Column(name, kind, nullable=True))
    op.add_column("models", sql.Column("reference", sql.JSON, nullable=True))
    for name, (columns, only) in _INDEXES.items():
        op.create_index(name, "predictions", columns, sqlite_where=only, postgresql_where=only)


def downgrade() -> None:
    """Delete all labels, references, and the indexes."""
    for name in _INDEXES:
        op.drop_index(name, "predictions")
    for name in reversed(_COLUMNS):
        op.drop_column("predictions", name)
    op.drop_column("models", "reference")
