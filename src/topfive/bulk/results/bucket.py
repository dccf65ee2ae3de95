"""Results in a cloud's bucket: one request for each file, tried again where that helps."""

import errno
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property, partial
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
        self._put(name, content, self._files._pipe_file)

    def create(self, name: str, content: bytes) -> None:
        """Put an object there if there is none; the bucket itself decides who is first.

        An answer may be lost on its way: what is there is ours if it is the same.
        """
        try:
            self._put(name, content, partial(create_object, self._files))
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
                self._try(name, self._files._rm_file, self._path(name))

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

    def _put(self, name: str, content: bytes, method: Any) -> None:
        timeout_s = self._limits.listing_s + len(content) / self._limits.min_bytes_per_s
        with self._bucket_required():
            self._try(name, method, self._path(name), content, timeout_s=timeout_s)

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

    def _path(self, name: str) -> str:
        return f"{self._bucket}/{self._prefix}{name}"

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


async def create_object(files: Any, path: str, content: bytes) -> None:
    """Put an object there if there is none; raises FileExistsError, and what the library raises.

    Some stores that speak S3's protocol do not say which condition failed, others know none: those
    are asked first, which is as good as nobody else does the same at this moment.
    """
    try:
        await files._pipe_file(path, content, mode="create")
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise FileExistsError(path) from error
        if error.errno != errno.ENOSYS:
            raise
        if await files._exists(path):
            raise FileExistsError(path) from error
        await files._pipe_file(path, content)
