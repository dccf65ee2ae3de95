"""Real servers that pictures are read from, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from tests import store_servers
from tests.store_servers import KEY


@contextmanager
def run_s3(bucket: str, objects: dict[str, bytes]) -> Iterator[str]:
    """Run S3 with objects in a bucket, and the environment that finds it; gives its URL."""
    with store_servers.run_moto() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in (KEY | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", url)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.delenv("AWS_PROFILE", raising=False)
        store_servers.make_bucket(url, bucket)
        for key, content in objects.items():
            store_servers.put_object(url, f"{bucket}/{quote(key)}", content)
        yield url
