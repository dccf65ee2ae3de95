"""Buckets of S3, Google Cloud Storage and Azure: their objects' names, and their bytes."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from time import monotonic, sleep
from typing import Any, TypeVar

from topfive.bulk.inputs.bucket_requests import REQUESTS, BucketRequests, Page, StoredObject
from topfive.bulk.inputs.unreadable import Unreadable
from topfive.concurrency.backoff import Backoff
from topfive.errors import BulkRefused, BulkStopped, StoreDenied, StoreUnreachable
from topfive.stores.address import StoreAddress, require_library
from topfive.stores.contract import StoreLimits
from topfive.stores.failures import is_login_failure
from topfive.stores.filesystem import failure_words, open_filesystem, run

_T = TypeVar("_T")

IF_STOPPED = "What is finished is kept: once it can be read, go on with --resume."

_BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]{1,221}")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html; the others have the same.
_MOST_KEY_BYTES = 1024

# A picture that comes more slowly than so is given up.
_LIMITS = StoreLimits(min_bytes_per_s=256 * 1024)
# The first request tells whether there is a way at all. An outage later is rarely over in a
# second: so many attempts take half a minute, and no further one begins after two.
_FIRST_ATTEMPTS = 2
_ATTEMPTS = 6
_TRY_FOR_S = 120.0
_BACKOFF = Backoff(first_s=0.5, most_s=10.0)


@dataclass(frozen=True, slots=True)
class ObjectName:
    """Where an object is, or several: `s3`, the bucket, and a key or the beginning of some."""

    scheme: str
    bucket: str
    key: str

    @property
    def shown(self) -> str:
        """The address."""
        return f"{self.scheme}://{self.bucket}/{self.key}"


def parse_object(name: bytes) -> ObjectName:
    """Read an address; raises ValueError, with a sentence, if it cannot be one."""
    try:
        scheme, _, rest = name.decode().partition("://")
    except UnicodeDecodeError as error:
        raise ValueError("The address is no UTF-8.") from error
    bucket, _, key = rest.partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError("The address has no name of a bucket as there are.")
    if len(key.encode()) > _MOST_KEY_BYTES:
        raise ValueError(f"The address has more than {_MOST_KEY_BYTES} bytes behind the bucket.")
    return ObjectName(scheme.lower(), bucket, key)


class Buckets:
    """Opens a cloud's file system when it is first needed; several threads may use it."""

    def __init__(self, limits: StoreLimits | None = None) -> None:
        self._limits = limits or _LIMITS
        self._lock = Lock()
        self._opened: dict[str, Any] = {}

    def list_objects(self, name: ObjectName) -> Iterator[StoredObject]:
        """List the objects whose keys begin so, in the order of their keys' bytes, page by page.

        Raises BulkRefused if the bucket cannot be listed, or lists in another order.
        """
        page, before = "", b""
        while True:
            found = self._list_page(name, page, _ATTEMPTS if page else _FIRST_ATTEMPTS)
            for one in found.objects:
                key = one.key.encode()
                if key < before:
                    raise BulkRefused(
                        f"{name.scheme}://{name.bucket} does not list its objects in the order of "
                        "their names, so that a run could not go on later. Give a list of them."
                    )
                before = key
                yield one
            page = found.next_page
            if not page:
                return

    def read(self, name: ObjectName, most_bytes: int) -> bytes:
        """Read an object's first bytes.

        Raises Unreadable if it is not there or access to it is refused; BulkStopped if the store
        cannot be reached, or takes the credentials no more: then no other object can be read.
        """
        limits = self._limits
        timeout_s = limits.stall_s + most_bytes / limits.min_bytes_per_s
        try:
            content: bytes = self._try(
                name, self._requests(name).read, name.bucket, name.key, most_bytes,
                timeout_s=timeout_s,
            )  # fmt: skip
        except StoreUnreachable as error:
            if is_login_failure(error.__cause__) or not self._answers(name, error):
                raise BulkStopped(f"{error} {IF_STOPPED}") from error
            raise Unreadable(str(error)) from error
        return content

    def size_of(self, name: ObjectName) -> int:
        """Look up an object's size in bytes; raises StoreUnreachable or StoreDenied."""
        path, timeout_s = f"{name.bucket}/{name.key}", self._limits.listing_s
        found = self._try(name, self._filesystem(name)._info, path, timeout_s=timeout_s)
        return int(found["size"] or 0)

    def read_range(self, name: ObjectName, start: int, stop: int) -> bytes:
        """Read an object's bytes from `start` up to `stop`; raises as `size_of`."""
        timeout_s = self._limits.stall_s + (stop - start) / self._limits.min_bytes_per_s
        path = f"{name.bucket}/{name.key}"

        async def read() -> bytes:
            found: bytes = await self._filesystem(name)._cat_file(path, start=start, end=stop)
            return found

        content: bytes = self._try(name, read, timeout_s=timeout_s)
        return content

    def _answers(self, name: ObjectName, error: StoreUnreachable) -> bool:
        """Tell whether the store answers, so that it is this object alone that does not come."""
        if isinstance(error, StoreDenied):
            return True
        try:
            self._list_page(name, "", attempts=1)
        except BulkRefused as refused:
            return isinstance(refused.__cause__, StoreDenied)
        return True

    def _list_page(self, name: ObjectName, page: str, attempts: int) -> Page:
        timeout_s = self._limits.listing_s
        try:
            found: Page = self._try(
                name, self._requests(name).list_page, name.bucket, name.key, page,
                timeout_s=timeout_s, attempts=attempts,
            )  # fmt: skip
        except StoreUnreachable as error:
            raise BulkRefused(f"{name.shown} cannot be listed: {error}") from error
        return found

    def _try(
        self,
        name: ObjectName,
        request: Callable[..., Any],
        *arguments: Any,
        timeout_s: float,
        attempts: int = _ATTEMPTS,
    ) -> Any:
        files = self._filesystem(name)
        words = failure_words(_address(name))

        def once() -> Any:
            with words.told():
                return run(files, request, *arguments, timeout_s=timeout_s)

        return _again(once, attempts)

    def _requests(self, name: ObjectName) -> BucketRequests:
        return REQUESTS[name.scheme](self._filesystem(name))

    def _filesystem(self, name: ObjectName) -> Any:
        with self._lock:
            if name.scheme not in self._opened:
                address = _address(name)
                require_library(address)
                try:
                    with failure_words(address).told():
                        self._opened[name.scheme] = open_filesystem(name.scheme, self._limits)
                except StoreUnreachable as error:
                    raise BulkRefused(str(error)) from error
            return self._opened[name.scheme]


def _address(name: ObjectName) -> StoreAddress:
    return StoreAddress(name.scheme, f"{name.bucket}/{name.key}", name.shown)


def _again(once: Callable[[], _T], attempts: int) -> _T:
    end_s = monotonic() + _TRY_FOR_S
    for failures in range(1, attempts):
        try:
            return once()
        except StoreDenied:
            raise
        except StoreUnreachable:
            if monotonic() > end_s:
                raise
            sleep(_BACKOFF.draw_wait_s(failures))
    return once()
