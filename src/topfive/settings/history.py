"""The settings of the history of predictions."""

from pydantic import Field, field_validator

from topfive.history.address import check_history_url
from topfive.settings.values import SettingsGroup


class HistorySettings(SettingsGroup):
    """Where predictions are kept, and for how long."""

    history_url: str = Field(
        "",
        description="The database that keeps what was predicted, with the SHA-256 of each picture "
        "and nothing else of it: `sqlite:////DIRECTORY/history.db`, or "
        "`postgresql://USER:PASSWORD@HOST/DATABASE`. Empty: nothing is kept.",
        repr=False,
    )
    history_retention_days: int = Field(
        90,
        ge=0,
        le=36_500,
        description="After so many days a prediction and its label are deleted from the history. "
        "0: never.",
    )
    history_queue: int = Field(
        10_000,
        ge=100,
        le=1_000_000,
        description="How many predictions a worker holds for the history while its database is "
        "slow or away. What comes beyond is not kept; metrics count it.",
    )

    @field_validator("history_url")
    @classmethod
    def _history_can_be_used(cls, url: str) -> str:
        if url:
            check_history_url(url)
        return url
