"""The two requests that each cloud answers: a page of a bucket's objects, and one object's bytes.

Of the file systems of fsspec only what reaches the cloud as it is: their own listings hold a whole
bucket in memory, and their paths change names that end with a slash or hold two.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

_PIECE_BYTES = 1024 * 1024
# The most that S3 gives.
_PAGE_OBJECTS = 1000


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a bucket; `stamp` is another once its bytes are others."""

    key: str
    size_bytes: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects, in the order of their keys, and what to ask for the next with; empty: none."""

    objects: list[StoredObject]
    next_page: str


class BucketRequests(Protocol):
    """One cloud's requests, as coroutines for the file system's own loop."""

    async def list_page(self, bucket: str, prefix: str, page: str, /) -> Page:
        """List a page of the objects whose keys begin with `prefix`."""

    async def read(self, bucket: str, key: str, most_bytes: int, /) -> bytes:
        """Read an object's first bytes."""


@dataclass(frozen=True, slots=True)
class S3Requests:
    """S3, and what speaks its protocol."""

    files: Any

    async def list_page(self, bucket: str, prefix: str, page: str) -> Page:
        """List a page; the stamp is the ETag."""
        more = {"ContinuationToken": page} if page else {}
        found = await self.files._call_s3(
            "list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE_OBJECTS, **more
        )
        objects = [
            StoredObject(one["Key"], one["Size"], one.get("ETag", "").strip('"'))
            for one in found.get("Contents", ())
        ]
        return Page(objects, found.get("NextContinuationToken", "") if objects else "")

    async def read(self, bucket: str, key: str, most_bytes: int) -> bytes:
        """Read what comes of the whole object: a range of an empty one is an error."""
        answer = await self.files._call_s3("get_object", Bucket=bucket, Key=key)
        pieces, left = [], most_bytes
        async with answer["Body"] as body:
            while left and (piece := await body.read(min(left, _PIECE_BYTES))):
                pieces.append(piece)
                left -= len(piece)
        return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class GoogleRequests:
    """Google Cloud Storage, by its JSON API."""

    files: Any

    async def list_page(self, bucket: str, prefix: str, page: str) -> Page:
        """List a page; the stamp is the generation."""
        more = {"pageToken": page} if page else {}
        found = await self.files._call(
            "GET", "b/{}/o", bucket, prefix=prefix, maxResults=_PAGE_OBJECTS, json_out=True, **more
        )
        objects = [
            StoredObject(one["name"], int(one["size"]), str(one.get("generation", "")))
            for one in found.get("items", ())
        ]
        return Page(objects, found.get("nextPageToken", ""))

    async def read(self, bucket: str, key: str, most_bytes: int) -> bytes:
        """Ask for the size first: a range of an empty object is an error, and all may be much."""
        found = await self.files._call("GET", "b/{}/o/{}", bucket, key, json_out=True)
        if not int(found["size"]):
            return b""
        content: bytes
        _, content = await self.files._call(
            "GET",
            "b/{}/o/{}",
            bucket,
            key,
            alt="media",
            headers={"Range": f"bytes=0-{most_bytes - 1}"},
        )
        return content


@dataclass(frozen=True, slots=True)
class AzureRequests:
    """Azure Blob Storage; a bucket is a container."""

    files: Any

    async def list_page(self, bucket: str, prefix: str, page: str) -> Page:
        """List a page of 5,000 blobs at most; the stamp is the ETag."""
        async with self.files.service_client.get_container_client(bucket) as container:
            blobs = container.list_blobs(name_starts_with=prefix or None)
            pages = blobs.by_page(continuation_token=page or None)
            found = [one async for one in await anext(pages)]
            token = pages.continuation_token
        objects = [StoredObject(one.name, one.size, str(one.etag).strip('"')) for one in found]
        return Page(objects, token or "")

    async def read(self, bucket: str, key: str, most_bytes: int) -> bytes:
        """Read a range; what has none is empty."""
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415 - adlfs brings it

        async with self.files.service_client.get_blob_client(bucket, key) as blob:
            try:
                stream = await blob.download_blob(offset=0, length=most_bytes)
                content: bytes = await stream.readall()
            except HttpResponseError as error:
                if error.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise
                return b""
        return content


REQUESTS: dict[str, type[S3Requests] | type[GoogleRequests] | type[AzureRequests]] = {
    "s3": S3Requests,
    "gs": GoogleRequests,
    "az": AzureRequests,
}
