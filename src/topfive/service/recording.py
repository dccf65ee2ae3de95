"""What a history keeps of predictions: made here, handed to a recorder when an answer is made."""

from dataclasses import replace
from functools import partial
from typing import Protocol

from topfive.history.ids import make_id, time_of
from topfive.history.recorder import Recorder
from topfive.history.records import KEPT_CLASSES, PredictionRecord, RecordedModel
from topfive.predictions import AnsweredRequest, PictureHash, Prediction, PredictionOptions
from topfive.service.routing import Leased


class Records(Protocol):
    """Brings predictions into a history, if there is one."""

    def widen(self, options: PredictionOptions) -> PredictionOptions:
        """Ask for as many classes as are kept, where fewer are wanted."""

    def prepare(
        self, found: Prediction, leased: Leased, top_k: int, picture: PictureHash | None = None
    ) -> Prediction:
        """Cut what was found to `top_k` classes, and make it ready to be recorded.

        Without a picture there were prepared pixels in place of one.
        """


class NoRecording:
    """Stands in where no history is kept: predictions stay as they are."""

    def widen(self, options: PredictionOptions) -> PredictionOptions:
        """Ask for what is wanted."""
        return options

    def prepare(
        self,
        found: Prediction,
        leased: Leased,  # noqa: ARG002 - as Recording has it
        top_k: int,  # noqa: ARG002
        picture: PictureHash | None = None,  # noqa: ARG002
    ) -> Prediction:
        """Give what was found."""
        return found


class Recording:
    """Has predictions taken down by `recorder`; safe to call from many threads."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def widen(self, options: PredictionOptions) -> PredictionOptions:
        """Ask for as many classes as are kept, where fewer are wanted."""
        if options.top_k >= KEPT_CLASSES:
            return options
        return replace(options, top_k=KEPT_CLASSES)

    def prepare(
        self, found: Prediction, leased: Leased, top_k: int, picture: PictureHash | None = None
    ) -> Prediction:
        """Cut what was found to `top_k` classes; give it an id, and what records it.

        Nothing is recorded before it is known which request is answered. Without a picture there
        were prepared pixels in place of one.
        """
        named = replace(found, id=make_id())
        record = partial(self._record, named, leased, picture)
        return replace(named, classes=found.classes[:top_k], record=record)

    def _record(
        self,
        found: Prediction,
        leased: Leased,
        picture: PictureHash | None,
        answered: AnsweredRequest,
        position: int,
    ) -> None:
        assert found.id is not None  # noqa: S101 - `prepare` gave it one
        self._recorder.note(
            PredictionRecord(
                id=found.id,
                at=time_of(found.id),
                request_id=answered.request_id,
                position=position,
                picture_sha256=picture.digest() if picture else None,
                model=_recorded_model(leased),
                route=answered.route,
                alias=leased.choice.alias,
                classes=found.classes[:KEPT_CLASSES],
                timings=found.timings,
                cache=found.cache,
                is_degraded=found.is_degraded,
                key_id=answered.key_id,
            )
        )


def _recorded_model(leased: Leased) -> RecordedModel:
    classifier = leased.classifier
    return RecordedModel(
        classifier.ref.name, classifier.ref.version, classifier.digest, classifier.bundle.labels
    )
