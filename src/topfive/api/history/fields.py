"""What may be asked of the history in a query, read into the history's own terms."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from topfive.api.history.schemas import MOST_CLASS_ID
from topfive.errors import InvalidParameter
from topfive.history.contract import MOST_ON_PAGE, HistoryFilter, HistoryOrder

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$"
_REQUEST_ID = r"^[A-Za-z0-9._:-]{1,128}$"
_SHA256 = r"^[0-9A-Fa-f]{64}$"
_NO_CONTROL_CHARACTER = r"^[^\x00-\x1f\x7f-\x9f]{1,500}$"
_MOMENT = "2026-11-26T10:00:00Z"
_PICTURE = "6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090"
# An id begins with the milliseconds since then.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A plus sign in a query means a blank (the URL standard's form encoding).
_LOST_PLUS = re.compile(r"(?<=T)(\S+) (?=\d\d:?\d\d$)")


def _read_moment(text: Any) -> datetime:
    """Read a time of ISO 8601; raises ValueError where it does not tell its offset."""
    moment = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+", text))
    if moment.tzinfo is None:
        raise ValueError
    # Not at once: near the ends of the calendar it cannot be told in UTC.
    if not 1970 <= moment.year < 9999 or moment < _EPOCH:
        raise ValueError
    return moment.astimezone(UTC)


def _read_choice(text: Any) -> bool:
    """Read one of the two words; raises ValueError for another."""
    if text not in ("true", "false"):
        raise ValueError
    return bool(text == "true")


_Moment = Annotated[datetime, BeforeValidator(_read_moment)]
_Choice = Annotated[bool, BeforeValidator(_read_choice)]


class FilterFields(BaseModel):
    """Which predictions are meant, and in which order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: _Moment | None = Field(
        None,
        examples=[_MOMENT],
        description="Made at that time or later: ISO 8601 with its offset, or `Z`.",
    )
    until: _Moment | None = Field(None, examples=[_MOMENT], description="Made before that time.")
    model: str | None = Field(
        None, pattern=_NAME, examples=["mobilenet_v2"], description="Of the model of that name."
    )
    version: str | None = Field(
        None, pattern=_NAME, examples=["imagenet1k-v2"], description="Of that version."
    )
    class_: str | None = Field(
        None,
        alias="class",
        pattern=_NO_CONTROL_CHARACTER,
        max_length=500,
        examples=["tabby"],
        description="That class is the most likely one: its name, or its id in digits.",
    )
    min_confidence: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="The best class has that or more."
    )
    max_confidence: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="The best class has that or less."
    )
    labelled: _Choice | None = Field(
        None, description="`true`: those that have a label; `false`: those that have none."
    )
    request_id: str | None = Field(
        None, pattern=_REQUEST_ID, examples=["order-42"], description="Of that request."
    )
    picture_sha256: str | None = Field(
        None,
        pattern=_SHA256,
        examples=[_PICTURE],
        description="Of that picture: the SHA-256 of its file, as `sha256sum` tells it.",
    )
    order: Literal["newest", "oldest", "least_confident"] = Field(
        "newest", description="Which come first."
    )

    def only(self) -> HistoryFilter:
        """Say which are meant in the history's terms.

        Raises InvalidParameter for bounds between which nothing can be.
        """
        if self.since and self.until and self.since >= self.until:
            raise InvalidParameter("`since` must be before `until`: nothing is between them.")
        least, most = self.min_confidence, self.max_confidence
        if least is not None and most is not None and least > most:
            raise InvalidParameter("`min_confidence` is above `max_confidence`.")
        class_id, class_name = _class_of(self.class_)
        return HistoryFilter(
            since=self.since,
            until=self.until,
            model=self.model,
            version=self.version,
            class_id=class_id,
            class_name=class_name,
            least_confidence=least,
            most_confidence=most,
            is_labelled=self.labelled,
            request_id=self.request_id,
            picture_sha256=bytes.fromhex(self.picture_sha256) if self.picture_sha256 else None,
        )

    def ordered(self) -> HistoryOrder:
        """Say the order in the history's terms."""
        return HistoryOrder(self.order)


class PageFields(FilterFields):
    """Which page is meant."""

    limit: int = Field(50, ge=1, le=MOST_ON_PAGE, description="How many at most.")
    cursor: str | None = Field(
        None,
        max_length=100,
        description="`next_cursor` of the page before, with the same filters and order.",
    )


class ExportFields(FilterFields):
    """Which predictions to export, and as what."""

    format: Literal["csv", "parquet"] = Field("csv", description="The form of the file.")


def _class_of(text: str | None) -> tuple[int | None, str | None]:
    """Tell a class's id from its name; raises InvalidParameter for an id that none can have."""
    if text is None or re.fullmatch(r"[0-9]+", text) is None:
        return None, text
    # Python reads whole numbers of up to 4,300 digits; no text here has so many.
    class_id = int(text)
    if class_id > MOST_CLASS_ID:
        raise InvalidParameter(f"`class` is an id of at most {MOST_CLASS_ID}, or a name.")
    return class_id, None
