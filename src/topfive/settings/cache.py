"""The settings of the cache of answers."""

from pydantic import Field, ValidationInfo, field_validator

from topfive.cache.limits import LEAST_BYTES
from topfive.redis_client import check_redis_url
from topfive.settings.values import OptionalPath, SettingsGroup


class CacheSettings(SettingsGroup):
    """Which answers are kept, where, and for how long."""

    cache_bytes: int = Field(
        0,
        ge=0,
        le=1 << 40,
        description="The bytes of memory in which all workers of this machine keep answers: the "
        "same picture, asked the same of the same model, is classified once. About 1,000 answers "
        "fit into a megabyte. At least 4194304; 0: no answer is kept.",
    )
    cache_url: str = Field(
        "",
        description="Where answers are kept in place of this machine's memory: "
        "`redis://HOST:6379`, or `rediss`, `valkey`, `valkeys`, for a store that machines share. "
        "Whoever can write to it can change answers. Empty: see CACHE_BYTES.",
        repr=False,
    )
    cache_ttl_s: int = Field(
        86_400,
        ge=1,
        le=31_536_000,
        description="After so many seconds CACHE_URL forgets an answer.",
    )
    cache_dir: OptionalPath = Field(
        None,
        description="Where workers keep the answers of CACHE_BYTES together. Empty: in memory.",
    )

    @field_validator("cache_bytes")
    @classmethod
    def _cache_has_a_size(cls, size: int) -> int:
        if 0 < size < LEAST_BYTES:
            raise ValueError(f"it must be 0, for no cache, or at least {LEAST_BYTES}")
        return size

    @field_validator("cache_url")
    @classmethod
    def _cache_can_be_used(cls, url: str, info: ValidationInfo) -> str:
        if url and info.data.get("cache_bytes"):
            raise ValueError("TOPFIVE_CACHE_BYTES is set too, and answers are kept in one place")
        if url:
            check_redis_url(url)
        return url
