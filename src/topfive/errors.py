"""Every way topfive can fail, as one tree and one table of words.

    TopfiveError
    ├── Failure                    answered to the caller, by its code
    │   ├── MissingFile            400 missing_file
    │   ├── EmptyFile              400 empty_file
    │   ├── UnsupportedFormat      400 unsupported_format
    │   ├── InvalidImage           400 invalid_image
    │   ├── InvalidParameter       400 invalid_parameter
    │   ├── MalformedRequest       400 malformed_request
    │   ├── HeatmapUnavailable     400 heatmap_unavailable
    │   ├── Unauthorized           401 unauthorized
    │   ├── Forbidden              403 forbidden
    │   ├── NotFound               404 not_found
    │   ├── ModelNotFound          404 model_not_found
    │   ├── MethodNotAllowed       405 method_not_allowed
    │   ├── NotAcceptable          406 not_acceptable
    │   ├── UploadTooSlow          408 upload_too_slow
    │   ├── ModelBusy              409 model_busy
    │   ├── FileTooLarge           413 file_too_large
    │   ├── BatchTooLarge          413 batch_too_large
    │   ├── ImageTooLarge          413 image_too_large
    │   ├── UnsupportedMediaType   415 unsupported_media_type
    │   ├── ModelRefused           422 model_refused
    │   ├── RateLimited            429 rate_limited
    │   ├── ClientDisconnected     499 client_disconnected
    │   ├── InternalError          500 internal_error
    │   ├── Overloaded             503 overloaded
    │   ├── ModelUnavailable       503 model_unavailable
    │   ├── ShuttingDown           503 shutting_down
    │   ├── HistoryUnavailable     503 history_unavailable
    │   ├── OutOfMemory            503 out_of_memory
    │   └── DeadlineExceeded       504 deadline_exceeded
    └── OperatorError              told to whoever runs the service, never to a caller
        ├── WeightsUnreachable     weights cannot be downloaded now; tried again
        ├── BundleMissing          a bundle is not there and cannot be made now; tried again
        ├── StoreUnreachable       a model store cannot be read or written now; tried again
        │   └── StoreDenied        it refuses: credentials, or nothing has that name
        ├── HistoryUnreachable     the history's database cannot be read or written now
        ├── StateUnavailable       the state of the models cannot be read or written now
        ├── TrainingStopped        a training cannot go on: no memory, no disk, or nothing learned
        ├── QuantizationRefused    a model in int8 is less accurate than is allowed
        ├── PromotionRefused       a version is not better than the one that serves
        ├── BulkStopped            a bulk run cannot go on; what is finished is kept
        └── Mistake                waiting cannot heal it; stops the start, exit code 2
            ├── SettingsError      a setting is wrong
            ├── WeightsRefused     weights are missing, damaged, of another shape or hold code
            ├── LabelsRefused      labels are missing or do not fit
            ├── DatasetRefused     labelled photos are missing, unreadable or contradict themselves
            ├── HistoryRefused     the history's database has another schema, or cannot be used
            ├── BulkRefused        a bulk run's pictures, results or cluster cannot be used
            ├── BundleRefused      a bundle is missing, damaged or of another layout
            ├── ModelTooLarge      models may not take as much memory as this one needs
            └── EngineRefused      an engine cannot run, or disagrees with the reference
                └── EngineDoubted  in bf16, by so little that the same in f32 must decide

A code is the same word in the JSON, the log line, the metric label and the docs anchor.
"""

from typing import ClassVar

__all__ = [
    "FAILURES",
    "BatchTooLarge",
    "BulkRefused",
    "BulkStopped",
    "BundleMissing",
    "BundleRefused",
    "ClientDisconnected",
    "DatasetRefused",
    "DeadlineExceeded",
    "EmptyFile",
    "EngineDoubted",
    "EngineRefused",
    "Failure",
    "FileTooLarge",
    "Forbidden",
    "HeatmapUnavailable",
    "HistoryRefused",
    "HistoryUnavailable",
    "HistoryUnreachable",
    "ImageTooLarge",
    "InternalError",
    "InvalidImage",
    "InvalidParameter",
    "LabelsRefused",
    "MalformedRequest",
    "MethodNotAllowed",
    "MissingFile",
    "Mistake",
    "ModelBusy",
    "ModelNotFound",
    "ModelRefused",
    "ModelTooLarge",
    "ModelUnavailable",
    "NotAcceptable",
    "NotFound",
    "OperatorError",
    "OutOfMemory",
    "Overloaded",
    "PromotionRefused",
    "QuantizationRefused",
    "RateLimited",
    "SettingsError",
    "ShuttingDown",
    "StateUnavailable",
    "StoreDenied",
    "StoreUnreachable",
    "TopfiveError",
    "TrainingStopped",
    "Unauthorized",
    "UnsupportedFormat",
    "UnsupportedMediaType",
    "UploadTooSlow",
    "WeightsRefused",
    "WeightsUnreachable",
]


class TopfiveError(Exception):
    """The root: every error that topfive raises on purpose."""


class Failure(TopfiveError):
    """A request that got no prediction, with what the caller may know about it.

    `detail` is public: it never holds a path, a file name or a library's own text.
    Without one it is the kind's `default_detail`, or its title. `retry_after_s` is a whole number
    of seconds where waiting helps, else None.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    default_detail: ClassVar[str] = ""

    def __init__(self, detail: str | None = None, *, retry_after_s: int | None = None) -> None:
        self.detail = detail or self.default_detail or self.title
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)

    @property
    def message(self) -> str:
        """What is told where one text is all that a caller can be told: the code, then why."""
        return f"{self.code}: {self.detail}"


class MissingFile(Failure):
    """The request holds no picture."""

    status, code, title = 400, "missing_file", "The request holds no picture."


class EmptyFile(Failure):
    """The picture has zero bytes."""

    status, code, title = 400, "empty_file", "The picture has zero bytes."


class UnsupportedFormat(Failure):
    """The bytes are not in a picture format that is supported."""

    status, code, title = 400, "unsupported_format", "The format of the file is not supported."


class InvalidImage(Failure):
    """The bytes look like a picture, but cannot be decoded."""

    status, code, title = 400, "invalid_image", "The picture cannot be decoded."


class InvalidParameter(Failure):
    """A field of the query or the form is unknown or wrong, or there is a second picture."""

    status, code, title = 400, "invalid_parameter", "A field of the request is wrong."


class MalformedRequest(Failure):
    """The HTTP request or its multipart body is broken."""

    status, code, title = 400, "malformed_request", "The request is broken."


class HeatmapUnavailable(Failure):
    """The model has no heatmaps: its network or bundle allows none, or they are wrong."""

    status, code, title = 400, "heatmap_unavailable", "This model has no heatmap."


class Unauthorized(Failure):
    """The API key is missing or wrong."""

    status, code, title = 401, "unauthorized", "A valid API key is needed."


class Forbidden(Failure):
    """The API key lacks the scope, or without keys an order came from elsewhere."""

    status, code, title = 403, "forbidden", "This is not allowed."


class NotFound(Failure):
    """Nothing is served at this path."""

    status, code, title = 404, "not_found", "There is nothing at this address."


class ModelNotFound(Failure):
    """No model of that name or version is served."""

    status, code, title = 404, "model_not_found", "No such model is served here."


class MethodNotAllowed(Failure):
    """The path exists, but not for this method."""

    status, code, title = 405, "method_not_allowed", "This address does not take this method."


class NotAcceptable(Failure):
    """The answer cannot be given in the form that was asked for."""

    status, code, title = 406, "not_acceptable", "The answer cannot be given in this form."


class UploadTooSlow(Failure):
    """The body did not arrive in time."""

    status, code, title = 408, "upload_too_slow", "The upload did not arrive in time."


class ModelBusy(Failure):
    """Another change of this model or route is under way, or it is in use."""

    status, code, title = 409, "model_busy", "The model or route is in use."


class FileTooLarge(Failure):
    """The upload has too many bytes."""

    status, code, title = 413, "file_too_large", "The upload has too many bytes."


class BatchTooLarge(Failure):
    """A batch has too many pictures or bytes."""

    status, code, title = 413, "batch_too_large", "The batch is too large."


class ImageTooLarge(Failure):
    """The picture declares too many pixels."""

    status, code, title = 413, "image_too_large", "The picture has too many pixels."


class UnsupportedMediaType(Failure):
    """The body has a content type that is not supported."""

    status, code, title = 415, "unsupported_media_type", "This content type is not supported."


class ModelRefused(Failure):
    """A model was not taken; what served before goes on serving."""

    status, code, title = 422, "model_refused", "The model is refused; nothing has changed."


class RateLimited(Failure):
    """The caller has used up its own quota."""

    status, code, title = 429, "rate_limited", "Too many requests from this client."


class ClientDisconnected(Failure):
    """The client closed its connection before it was answered; only the log and metrics say so."""

    status, code, title = 499, "client_disconnected", "The client has closed its connection."


class InternalError(Failure):
    """topfive itself went wrong."""

    status, code, title = 500, "internal_error", "The service went wrong."
    default_detail = "The service went wrong. Its log has this request's id."


class Overloaded(Failure):
    """The queue is full."""

    status, code, title = 503, "overloaded", "The service is full at the moment."


class ModelUnavailable(Failure):
    """The model is not loaded."""

    status, code, title = 503, "model_unavailable", "The model is not loaded."


class ShuttingDown(Failure):
    """The service is about to stop."""

    status, code, title = 503, "shutting_down", "The service is about to stop."
    default_detail = "The service is about to stop. Try again."


class HistoryUnavailable(Failure):
    """The history's database does not answer."""

    status, code, title = 503, "history_unavailable", "The history does not answer at the moment."


class OutOfMemory(Failure):
    """There is no memory for this picture now."""

    status, code, title = 503, "out_of_memory", "There is no memory for this picture now."


class DeadlineExceeded(Failure):
    """The answer was not ready in time."""

    status, code, title = 504, "deadline_exceeded", "The answer was not ready in time."
    default_detail = "The answer was not ready in time. Try again later."


FAILURES: dict[str, type[Failure]] = {kind.code: kind for kind in Failure.__subclasses__()}


class OperatorError(TopfiveError):
    """Something that whoever runs the service must mend; the message says how."""


class WeightsUnreachable(OperatorError):
    """Weights cannot be downloaded at this moment; trying again may help."""


class BundleMissing(OperatorError):
    """A bundle is not there and cannot be made at this moment; trying again may help."""


class StoreUnreachable(OperatorError):
    """A model store cannot be read or written at this moment; trying again may help."""


class StoreDenied(StoreUnreachable):
    """A model store refuses: credentials are missing or wrong, or nothing has that name.

    Asking again at once does not help; rights that are given meanwhile do.
    """


class HistoryUnreachable(OperatorError):
    """The history's database cannot be read or written at this moment; trying again may help."""


class StateUnavailable(OperatorError):
    """The state that all workers follow cannot be read or written at this moment."""


class TrainingStopped(OperatorError):
    """A training cannot go on here; what it had learned is kept where it can be resumed."""


class QuantizationRefused(OperatorError):
    """A model in int8 is less accurate than is allowed; nothing was kept of it."""


class PromotionRefused(OperatorError):
    """A version is not better than the one that serves, beyond what chance explains."""


class BulkStopped(OperatorError):
    """A bulk run cannot go on: no disk, no node left; what is finished is kept for `--resume`."""


class Mistake(OperatorError):
    """Something that waiting cannot heal: it stops the start, with exit code 2."""


class SettingsError(Mistake):
    """One or more settings are wrong."""


class WeightsRefused(Mistake):
    """A weights file is missing, damaged, of another model or not plain data."""

    def __init__(self, message: str) -> None:
        super().__init__(_cut(message))


class LabelsRefused(Mistake):
    """A labels file is missing, cannot be read or does not fit the model."""

    def __init__(self, message: str) -> None:
        super().__init__(_cut(message))


class DatasetRefused(Mistake):
    """Labelled photos are missing, cannot be read, are too few or contradict themselves."""


class HistoryRefused(Mistake):
    """The history's database has another schema than this version, or cannot be used at all."""


class BulkRefused(Mistake):
    """The pictures, the results' folder or the cluster of a bulk run cannot be used."""


class BundleRefused(Mistake):
    """A bundle is missing, damaged or of a layout this version does not read.

    `public` says why without a path or a library's text.
    """

    def __init__(
        self, message: str, *, public: str = "its bundle is damaged; the service's log says more."
    ) -> None:
        self.public = public
        super().__init__(message)


class EngineRefused(Mistake):
    """An engine cannot run here, or disagrees with the reference.

    `public` says why without a path or a library's text.
    """

    def __init__(
        self, message: str, *, public: str = "it cannot run here; the service's log says more."
    ) -> None:
        self.public = public
        super().__init__(message)


class ModelTooLarge(Mistake):
    """The memory that models may take has no place for this one; the message is public."""


class EngineDoubted(EngineRefused):
    """An engine in bf16 differs by what rounding may explain; the same in f32 must decide."""


# Enough for what is wrong and what to do; a longer message is not read.
_MOST_CHARACTERS = 300


def _cut(message: str) -> str:
    return message if len(message) <= _MOST_CHARACTERS else message[: _MOST_CHARACTERS - 1] + "…"
