"""Predictions, the versions of models they are of, and who brought the schema up to date."""

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LOST_BY_DOWNGRADE = "all predictions"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "topfive_migrations",
        sql.Column("revision", sql.String(32), nullable=False),
        sql.Column("topfive_version", sql.String(32), nullable=False),
        sql.Column("at", sql.DateTime(timezone=True), nullable=False),
        sql.PrimaryKeyConstraint("revision", name="pk_topfive_migrations"),
    )
    op.create_table(
        "models",
        sql.Column("id", sql.Integer, nullable=False),
        sql.Column("name", sql.String(64), nullable=False),
        sql.Column("version", sql.String(64), nullable=False),
        sql.Column("digest", sql.String(64), nullable=False),
        sql.Column("classes", sql.JSON, nullable=False),
        sql.PrimaryKeyConstraint("id", name="pk_models"),
        sql.UniqueConstraint("name", "version", "digest", name="uq_models_name_version_digest"),
    )
    op.create_table(
        "predictions",
        sql.Column("id", sql.Uuid, nullable=False),
        sql.Column("at", sql.DateTime(timezone=True), nullable=False),
        sql.Column("request_id", sql.String(128), nullable=False),
        sql.Column("position", sql.Integer, nullable=False),
        sql.Column("picture_sha256", sql.LargeBinary(32), nullable=True),
        sql.Column("model_id", sql.Integer, nullable=False),
        sql.Column("route", sql.String(100), nullable=False),
        sql.Column("alias", sql.String(64), nullable=False),
        sql.Column("class_id", sql.Integer, nullable=False),
        sql.Column("confidence", sql.Float, nullable=False),
        sql.Column("classes", sql.JSON, nullable=False),
        sql.Column("queue_ms", sql.Float, nullable=False),
        sql.Column("decode_ms", sql.Float, nullable=False),
        sql.Column("preprocess_ms", sql.Float, nullable=False),
        sql.Column("inference_ms", sql.Float, nullable=False),
        sql.Column("total_ms", sql.Float, nullable=False),
        sql.Column("cache", sql.String(16), nullable=False),
        sql.Column("is_degraded", sql.Boolean, nullable=False),
        sql.Column("key_id", sql.String(16), nullable=False),
        sql.PrimaryKeyConstraint("id", name="pk_predictions"),
        sql.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name="fk_predictions_model_id_models"
        ),
    )


def downgrade() -> None:
    """Delete everything."""
    op.drop_table("predictions")
    op.drop_table("models")
    op.drop_table("topfive_migrations")
