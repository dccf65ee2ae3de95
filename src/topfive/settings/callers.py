"""The settings of callers: their keys, their quota, their proxies and origins."""

from functools import cached_property

from pydantic import Field, field_validator

from topfive.auth.keys import ApiKey, parse_api_keys
from topfive.settings.values import OptionalPath, SettingsGroup, split_list


class CallerSettings(SettingsGroup):
    """Who may call, how often, and from where."""

    rate_limit: str = Field(
        "100/minute",
        description="How many pictures one client may have classified, as `COUNT/UNIT`; failed "
        "requests count too. Empty: no limit.",
    )
    rate_limit_storage: str = Field(
        "",
        description="Where the rate limit counts: `redis://HOST:6379`, or `rediss`, `valkey`, "
        "`valkeys`, for a store that machines share. Empty: in this machine's memory, for all its "
        "workers.",
        repr=False,
    )
    api_keys: str = Field(
        "",
        description="Accepted API keys, as `SHA256-DIGEST[:SCOPE[+SCOPE]]` separated by commas; "
        "scopes: `predict` (the default), `admin`. Empty: no key is asked for.",
        repr=False,
    )
    api_keys_file: OptionalPath = Field(
        None,
        description="A file with such entries, one a line; it is read again when it changes. "
        "Empty: none.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=16,
        description="How many proxies in front add to `X-Forwarded-For`; 0 ignores that header.",
    )
    cors_origins: str = Field(
        "",
        description="Origins whose pages may call the API, separated by commas, or `*`. Empty: "
        "none.",
    )

    @field_validator("api_keys")
    @classmethod
    def _api_keys_can_be_read(cls, text: str) -> str:
        parse_api_keys(text)
        return text

    @field_validator("rate_limit")
    @classmethod
    def _rate_limit_can_be_read(cls, text: str) -> str:
        from limits import parse_many  # noqa: PLC0415 - only needed where a limit is set

        if text:
            parse_many(text)
        return text

    @field_validator("rate_limit_storage")
    @classmethod
    def _store_can_be_used(cls, uri: str) -> str:
        from topfive.ratelimit.stores import check_store_uri  # noqa: PLC0415 - as above

        if uri:
            check_store_uri(uri)
        return uri

    @cached_property
    def accepted_keys(self) -> tuple[ApiKey, ...]:
        """The API keys' digests and scopes."""
        return parse_api_keys(self.api_keys)

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins whose pages may call the API."""
        return tuple(split_list(self.cors_origins))
