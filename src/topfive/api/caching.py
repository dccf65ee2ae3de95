"""What a request lets the cache do, and what its answer says the cache has done."""

from dataclasses import replace

from flask import Request

from topfive.predictions import CacheStatus, CacheUse, Prediction, PredictionOptions

CACHE_STATUS_HEADER = "Cache-Status"
# RFC 9211 (https://www.rfc-editor.org/rfc/rfc9211): the cache's name, then what it has done.
_TOLD = {
    CacheStatus.HIT: "topfive; hit",
    CacheStatus.COLLAPSED: "topfive; fwd=uri-miss; collapsed",
    CacheStatus.STORED: "topfive; fwd=uri-miss; stored",
    CacheStatus.MISS: "topfive; fwd=uri-miss",
    CacheStatus.BYPASSED: "topfive; fwd=request",
}


def with_caching(options: PredictionOptions, incoming: Request) -> PredictionOptions:
    """Add to options what a request's `Cache-Control` lets a cache do.

    Where every queue slot is taken, the server hands a request on for the cache alone to answer.
    """
    only_cached = bool(incoming.environ.get("topfive.only_cached"))
    use = _cache_use(incoming)
    if use is CacheUse.ALLOWED and not only_cached:
        return options
    return replace(options, cache_use=use, only_cached=only_cached)


def cache_headers(*predictions: Prediction) -> dict[str, str]:
    """Make the header that says what the cache did; none for several pictures, or without one."""
    told = _TOLD.get(predictions[0].cache) if len(predictions) == 1 else None
    return {CACHE_STATUS_HEADER: told} if told else {}


def _cache_use(incoming: Request) -> CacheUse:
    if "Cache-Control" not in incoming.headers:
        return CacheUse.ALLOWED
    asked = incoming.cache_control
    if asked.no_store:
        return CacheUse.NONE
    return CacheUse.REFRESH if asked.no_cache else CacheUse.ALLOWED
