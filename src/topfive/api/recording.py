"""Predictions that were answered with are taken down, where a history is kept."""

from flask import Flask, Response, request

from topfive.api.auth import recognised_key
from topfive.api.request import current_record, declared_path, mounted_service
from topfive.predictions import AnsweredRequest

# Enough of a key's digest to tell keys apart, and to find one in TOPFIVE_API_KEYS.
_KEY_ID_CHARACTERS = 16


def record_predictions(app: Flask) -> None:
    """Have the predictions of each request taken down; nothing is added where no history is kept.

    Those of a batch are taken down one by one, as they are written.
    """
    if mounted_service(app).recorder.is_on:
        app.after_request(_record)


def answered_request() -> AnsweredRequest:
    """Say of the request that is being answered what a history keeps of it."""
    key, rule = recognised_key(), request.url_rule
    return AnsweredRequest(
        current_record().request_id,
        declared_path(rule.rule) if rule else "",
        key.digest[:_KEY_ID_CHARACTERS] if key else "",
    )


def _record(response: Response) -> Response:
    record = current_record()
    if record.predictions and record.code is None:
        answered = answered_request()
        for position, one in enumerate(record.predictions):
            one.record(answered, position)
    return response
