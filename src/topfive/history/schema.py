"""The tables of the history, as its newest migration leaves them."""

import sqlalchemy as sql

METADATA = sql.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# The versions of models that predictions are of; their classes, since bundles may be deleted.
MODELS = sql.Table(
    "models",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("name", sql.String(64), nullable=False),
    sql.Column("version", sql.String(64), nullable=False),
    sql.Column("digest", sql.String(64), nullable=False),
    # The names of its classes, in the order of their ids.
    sql.Column("classes", sql.JSON, nullable=False),
    # What its first predictions were, counted, once there are enough: later ones are held against
    # that, also when retention has deleted the first ones.
    sql.Column("reference", sql.JSON(none_as_null=True), nullable=True),
    sql.UniqueConstraint("name", "version", "digest"),
)

PREDICTIONS = sql.Table(
    "predictions",
    METADATA,
    # It begins with its time in milliseconds (RFC 9562, version 7): in the order of ids is in the
    # order of time.
    sql.Column("id", sql.Uuid, primary_key=True),
    sql.Column("at", sql.DateTime(timezone=True), nullable=False),
    sql.Column("request_id", sql.String(128), nullable=False),
    sql.Column("position", sql.Integer, nullable=False),
    sql.Column("picture_sha256", sql.LargeBinary(32), nullable=True),
    sql.Column("model_id", sql.ForeignKey("models.id"), nullable=False),
    sql.Column("route", sql.String(100), nullable=False),
    sql.Column("alias", sql.String(64), nullable=False),
    sql.Column("class_id", sql.Integer, nullable=False),
    sql.Column("confidence", sql.Float, nullable=False),
    # The most likely classes, best first: [[class id, confidence], ...].
    sql.Column("classes", sql.JSON, nullable=False),
    sql.Column("queue_ms", sql.Float, nullable=False),
    sql.Column("decode_ms", sql.Float, nullable=False),
    sql.Column("preprocess_ms", sql.Float, nullable=False),
    sql.Column("inference_ms", sql.Float, nullable=False),
    sql.Column("total_ms", sql.Float, nullable=False),
    sql.Column("cache", sql.String(16), nullable=False),
    sql.Column("is_degraded", sql.Boolean, nullable=False),
    sql.Column("key_id", sql.String(16), nullable=False),
    sql.Column("label_class_id", sql.Integer, nullable=True),
    # The label's place among `classes`, from 1; 0: it is not among them.
    sql.Column("label_rank", sql.Integer, nullable=True),
    sql.Column("label_source", sql.String(16), nullable=True),
    sql.Column("labelled_at", sql.DateTime(timezone=True), nullable=True),
)

_row = PREDICTIONS.c
_UNLABELLED = _row.label_class_id.is_(None)
_LABELLED = _row.label_class_id.is_not(None)


def _index(name: str, *columns: sql.Column[object], only: sql.ColumnElement[bool] | None) -> None:
    sql.Index(name, *columns, sqlite_where=only, postgresql_where=only)


# Each ends in the id: what it finds is in the order of time, and a page begins where the last one
# ended. A version's predictions are divided into those without a label and those with one, so that
# either is found at once, however few it is.
_index("ix_predictions_unlabelled", _row.model_id, _row.id, only=_UNLABELLED)
_index("ix_predictions_labelled", _row.model_id, _row.id, only=_LABELLED)
_index(
    "ix_predictions_unlabelled_confidence",
    _row.model_id,
    _row.confidence,
    _row.id,
    only=_UNLABELLED,
)
_index(
    "ix_predictions_labelled_confidence",
    _row.model_id,
    _row.confidence,
    _row.id,
    only=_LABELLED,
)
_index("ix_predictions_class_id", _row.class_id, _row.id, only=None)
_index("ix_predictions_request_id", _row.request_id, _row.id, only=None)
_index("ix_predictions_picture_sha256", _row.picture_sha256, _row.id, only=None)

# Which topfive brought the schema up to each revision.
MIGRATIONS = sql.Table(
    "topfive_migrations",
    METADATA,
    sql.Column("revision", sql.String(32), primary_key=True),
    sql.Column("topfive_version", sql.String(32), nullable=False),
    sql.Column("at", sql.DateTime(timezone=True), nullable=False),
)
