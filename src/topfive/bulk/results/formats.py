"""The forms that a run's results can have."""

from enum import StrEnum

from topfive.errors import BulkRefused


class ResultFormat(StrEnum):
    """The form of a run's result files; its value is their suffix too."""

    PARQUET = "parquet"
    NDJSON = "ndjson"
    CSV = "csv"


def parse_format(text: str) -> ResultFormat:
    """Read a form's name; raises BulkRefused."""
    try:
        return ResultFormat(text)
    except ValueError as error:
        known = ", ".join(ResultFormat)
        raise BulkRefused(f"Results have one of the forms {known}, not {text!r}.") from error
