"""One batch of pictures: what is still to be sent, and the results in the pictures' order."""

from collections.abc import Sequence
from typing import Any

from topfive.client.answers import load_line
from topfive.client.errors import ClientError, NotTopfive, Refused, Unreachable
from topfive.client.pictures import ReadPicture
from topfive.client.reading import read_picture_error, read_prediction, reading_as
from topfive.client.results import BatchHead, PictureResult, Prediction
from topfive.client.retries import Tries

# After which failures a batch is sent in parts, and in how many: limits are not those that were
# told, the line is slow, or the service takes no batches.
_ALL = 1 << 30
_SENT_IN_PARTS = {
    "batch_too_large": 2,
    "upload_too_slow": 2,
    "deadline_exceeded": 2,
    "not_found": _ALL,
    "method_not_allowed": _ALL,
}
# Of those, what is said of a batch and not of the one picture where it stands.
_OF_BATCH = frozenset({"batch_too_large", "upload_too_slow"})


class BatchRun:
    """Sends pictures, and those again that got no result, until each has one."""

    def __init__(self, pictures: Sequence[ReadPicture], tries: Tries) -> None:
        self.tries = tries
        self._pictures = pictures
        self._most = len(pictures)
        self._outcomes: dict[int, Prediction | ClientError] = {
            one.index: one.error for one in pictures if one.error is not None
        }
        self._given = 0
        self._sent: list[ReadPicture] = []
        self._has_progress = False
        self._error: ClientError | None = None
        self._head = BatchHead()

    def next_to_send(self) -> list[ReadPicture]:
        """List the pictures of the next request; none where all have a result."""
        self._renew_after_progress()
        waiting = [one for one in self._pictures if one.index not in self._outcomes]
        self._sent, self._error = waiting[: self._most], None
        return self._sent

    def begin_answer(self, head: BatchHead) -> None:
        """Note what holds for all results that come now."""
        self._head = head

    def take(self, line: bytes) -> None:
        """Take one line of the answer; raises NotTopfive for what is no result of its pictures."""
        found = load_line(line)
        with reading_as("a batch's result"):
            index, is_ok = int(found["index"]), found["ok"] is True
        if index == len(self._sent):
            # What broke after the last picture changes nothing for those before it.
            return
        if not 0 <= index < len(self._sent):
            raise NotTopfive(f"The answer has a result {index} of {len(self._sent)} pictures.")
        self._note(self._sent[index], self._outcome(found, is_ok))

    def take_only(self, prediction: Prediction) -> None:
        """Take the result of a request for one picture."""
        self._put(self._sent[0], prediction)

    def ready(self) -> list[PictureResult]:
        """Hand over the results that are next in order."""
        results = []
        for one in self._pictures[self._given :]:
            if one.index not in self._outcomes:
                break
            results.append(PictureResult(one.index, one.name, self._outcomes[one.index]))
        self._given += len(results)
        return results

    def require_progress(self) -> None:
        """Raise TimeExceeded where no picture has got its result for too long."""
        self._renew_after_progress()
        self.tries.left_s()

    def end_answer(self) -> None:
        """Take note that the answer has ended.

        Raises why pictures have no result: what the service told, or Unreachable.
        """
        if self._error is not None:
            raise self._error
        if any(one.index not in self._outcomes for one in self._sent):
            raise Unreachable("The answer ended before each picture had a result.")

    def pause_after(self, error: ClientError) -> float:
        """Tell how many seconds to wait before sending the rest; raises the error if that ends it.

        What only a picture is the cause of becomes its result.
        """
        self._renew_after_progress()
        is_single = len(self._sent) == 1
        if not is_single and error.code in _SENT_IN_PARTS:
            self._most = max(1, len(self._sent) // _SENT_IN_PARTS[error.code])
            return 0.0
        try:
            return self.tries.pause_after(error)
        except ClientError:
            if not is_single or not error.is_of_picture:
                raise
            self._put(self._sent[0], error)
            return 0.0

    def _renew_after_progress(self) -> None:
        """Begin the tries anew, now that whoever takes the results has asked for more."""
        if self._has_progress:
            self.tries.renew()
        self._has_progress = False

    def _outcome(self, found: Any, is_ok: bool) -> Prediction | Refused:
        if is_ok:
            return read_prediction(found, self._head)
        with reading_as("a batch's result"):
            return read_picture_error(found["error"], self._head)

    def _note(self, picture: ReadPicture, outcome: Prediction | Refused) -> None:
        if isinstance(outcome, Refused) and (outcome.may_pass or outcome.code in _OF_BATCH):
            self._error = outcome
        else:
            self._put(picture, outcome)

    def _put(self, picture: ReadPicture, outcome: Prediction | ClientError) -> None:
        if picture.index not in self._outcomes:
            self._outcomes[picture.index] = outcome
            self._has_progress = True
