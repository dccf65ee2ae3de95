"""What a store has, kept in a file on this machine, so that one process alone has to ask."""

import hashlib
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import time

from pydantic import BaseModel, ConfigDict, ValidationError

from topfive.bundles.manifest import Manifest

_NAME = ".store.json"


class StoreList(BaseModel):
    """The manifests of a store's bundles, and when it was asked for them (seconds since 1970).

    `store` is a digest of its address, so that another store's list is not taken for it.
    """

    model_config = ConfigDict(frozen=True)

    store: str
    listed_at_s: float
    manifests: tuple[Manifest, ...]


class StoreListFile:
    """The file in which a store's list is kept in a models directory."""

    def __init__(self, models_dir: Path, store: str) -> None:
        self._path = models_dir / _NAME
        self._store = hashlib.sha256(store.encode()).hexdigest()
        self._seen: tuple[int, int] | None = None
        self._manifests: tuple[Manifest, ...] = ()

    def read(self) -> tuple[Manifest, ...]:
        """Read the manifests; none where there is no list of this store that can be read."""
        try:
            state = self._path.stat()
        except OSError:
            return ()
        seen = (state.st_mtime_ns, state.st_size)
        if seen != self._seen:
            self._seen, self._manifests = seen, self._parse()
        return self._manifests

    def age_s(self) -> float | None:
        """Tell how many seconds ago the store was listed; None: never."""
        found = self._load()
        return None if found is None else max(0.0, time() - found.listed_at_s)

    def write(self, manifests: tuple[Manifest, ...]) -> None:
        """Keep a list in place of the one there was; raises OSError."""
        found = StoreList(store=self._store, listed_at_s=time(), manifests=manifests)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=self._path.parent, prefix=_NAME, delete=False) as file:
            file.write(found.model_dump_json())
        os.chmod(file.name, 0o644)  # noqa: PTH101 - a name, not a path
        Path(file.name).replace(self._path)

    def _parse(self) -> tuple[Manifest, ...]:
        found = self._load()
        return found.manifests if found else ()

    def _load(self) -> StoreList | None:
        try:
            found = StoreList.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return None
        return found if found.store == self._store else None


class NoStoreList:
    """Stands in where there is no store."""

    def read(self) -> tuple[Manifest, ...]:
        """Tell of nothing."""
        return ()
