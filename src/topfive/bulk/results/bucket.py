"""Results in a cloud's bucket: one request for each file, tried again where that helps."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property
from threading import Lock
from time import sleep
from typing import Any, cast

from topfive.bulk.inputs.bucket_requests import REQUESTS, BucketRequests, Page
from topfive.bulk.results.contract import ListedFile
from topfive.concurrency.backoff import Backoff
from topfive.errors import BulkRefused, BulkStopped, StoreDenied, StoreUnreachable
from topfive.stores.address import StoreAddress, require_library
from topfive.stores.contract import StoreLimits
from topfive.stores.failures import FailureWords, FileMissing
from topfive.stores.filesystem import failure_words, open_filesystem, run

# An outage of a store is rarely over in a second: all attempts take half a minute.
_ATTEMPTS = 6
_BACKOFF = Backoff(first_s=0.5, most_s=10.0)
_LISTED_AT_ONCE = 8
# Beyond any file of a run.
_MOST_BYTES = 1024**3


class ResultsBucket:
    """The files of a run below a bucket's prefix. An object is there whole or not at all.

    Several threads may use it; in another process it opens the bucket anew.
    """

    def __init__(self, address: StoreAddress, backoff: Backoff = _BACKOFF) -> None:
        require_library(address)
        self._address = address
        self._backoff = backoff
        self._limits = StoreLimits()
        self._opening = Lock()
        self._opened: Any = None
        self._bucket, _, self._prefix = f"{address.root}/".partition("/")

    def __reduce__(self) -> tuple[Any, ...]:
        return ResultsBucket, (self._address, self._backoff)

    @property
    def shown(self) -> str:
        """Its address."""
        return self._address.shown

    def write(self, name: str, content: bytes) -> None:
        """Put an object there by one request."""
        self._put(name, content, "overwrite")

    def create(self, name: str, content: bytes) -> None:
        """Put an object there if there is none; the bucket itself decides who is first.

        An answer may be lost on its way: what is there is ours if it is the same.
        """
        try:
            self._put(name, content, "create")
        except FileExistsError:
            if self.read(name) != content:
                raise

    def read(self, name: str) -> bytes:
        """Read an object whole; raises FileNotFoundError."""
        key = f"{self._prefix}{name}"
        try:
            content = self._try(name, self._requests.read, self._bucket, key, _MOST_BYTES)
        except FileMissing as error:
            raise FileNotFoundError(name) from error
        return cast(bytes, content)

    def list(self, prefix: str) -> list[ListedFile]:
        """List the objects whose names begin so, sorted by name."""
        return sorted(self._pages(prefix))

    def scan(self, prefixes: Sequence[str]) -> Iterator[ListedFile]:
        """List by each prefix for itself, some at a time."""
        with ThreadPoolExecutor(_LISTED_AT_ONCE) as pool:
            for start in range(0, len(prefixes), _LISTED_AT_ONCE):
                for found in pool.map(self.list, prefixes[start : start + _LISTED_AT_ONCE]):
                    yield from found

    def exists(self, name: str) -> bool:
        """Tell whether there is such an object."""
        return any(one.name == name for one in self._pages(name))

    def delete(self, *names: str) -> None:
        """Delete objects; those that are not there are no fault."""
        for name in names:
            with suppress(FileMissing):
                self._call("_rm_file", name)

    def is_empty(self) -> bool:
        """Tell whether no object has the prefix; its own name is what consoles make of a folder."""
        return not any(one.name for one in self._pages(""))

    def location(self, name: str) -> str:
        """Tell the address of an object."""
        return f"{self.shown}/{name}"

    def tidy(self) -> None:
        """Do nothing: what was not written whole was not written."""

    def locked(self) -> AbstractContextManager[None]:
        """Lock nothing: buckets have no locks. Who is second is told by `create`."""
        return nullcontext()

    def _put(self, name: str, content: bytes, mode: str) -> None:
        with self._bucket_required():
            self._call("_pipe_file", name, content, size_bytes=len(content), mode=mode)

    def _pages(self, prefix: str) -> Iterator[ListedFile]:
        """List page by page: the library's own listings hold a whole bucket in memory."""
        page = ""
        while True:
            found = self._list_page(prefix, page)
            for one in found.objects:
                yield ListedFile(one.key.removeprefix(self._prefix), one.size_bytes)
            page = found.next_page
            if not page:
                return

    def _list_page(self, prefix: str, page: str) -> Page:
        arguments = (self._bucket, f"{self._prefix}{prefix}", page)
        with self._bucket_required():
            return cast(Page, self._try(prefix, self._requests.list_page, *arguments))

    @contextmanager
    def _bucket_required(self) -> Iterator[None]:
        try:
            yield
        except FileMissing as error:
            raise BulkRefused(
                f"Results cannot be kept in {self.shown}: there is no such bucket that can be "
                "seen. Make it, or give another place after --out."
            ) from error

    def _call(
        self, method: str, name: str, *arguments: Any, size_bytes: int = 0, **named: Any
    ) -> Any:
        """Call a method of the library with an object's path."""
        path = f"{self._bucket}/{self._prefix}{name}"
        timeout_s = self._limits.listing_s + size_bytes / self._limits.min_bytes_per_s
        return self._try(
            name, getattr(self._files, method), path, *arguments, timeout_s=timeout_s, **named
        )

    def _try(self, name: str, method: Any, *arguments: Any, **named: Any) -> Any:
        """Ask until it is answered, some times; raises FileMissing, FileExistsError too."""
        named.setdefault("timeout_s", self._limits.listing_s)
        for failures in range(1, _ATTEMPTS + 1):
            try:
                with self._words.told(name, passing=FileExistsError):
                    return run(self._files, method, *arguments, **named)
            except FileMissing:
                raise
            except StoreDenied as error:
                raise BulkRefused(f"Results cannot be kept there. {error}") from error
            except StoreUnreachable as error:
                if failures == _ATTEMPTS:
                    raise BulkStopped(
                        f"{error} Go on with --resume once it can; what is finished is kept."
                    ) from error
            sleep(self._backoff.draw_wait_s(failures))
        raise AssertionError(name)

    @cached_property
    def _words(self) -> FailureWords:
        return failure_words(self._address)

    @property
    def _requests(self) -> BucketRequests:
        return REQUESTS[self._address.scheme](self._files)

    @property
    def _files(self) -> Any:
        """Give the library's file system, which is opened when it is first needed."""
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> Any:
        try:
            with self._words.told():
                return open_filesystem(self._address.scheme, self._limits)
        except StoreUnreachable as error:
            raise BulkRefused(f"Results cannot be kept there. {error}") from error
