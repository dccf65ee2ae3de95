"""What the place of a run's results offers, be it a directory or a bucket."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

# Everything of a run but its results: the manifest, the list of pictures, what is finished.
RUN_FOLDER = "_topfive"


class ListedFile(NamedTuple):
    """A file by its name, from the results' folder on, with `/` between folders; size in bytes."""

    name: str
    size_bytes: int


class ResultsFolder(Protocol):
    """Files of one run. It can be pickled: an actor on another node opens the same place.

    A file is there whole or not at all, whatever is killed while it is written. Every method
    raises BulkRefused where the place is refused or cannot be what it is used as, and BulkStopped
    where it cannot be used now; both say what to do.
    """

    @property
    def shown(self) -> str:
        """Where it is, without secrets."""

    def write(self, name: str, content: bytes) -> None:
        """Put a file there, in the place of a former one."""

    def create(self, name: str, content: bytes) -> None:
        """Put a file there; raises FileExistsError if there is one, even one of this moment."""

    def read(self, name: str) -> bytes:
        """Read a file whole; raises FileNotFoundError."""

    def list(self, prefix: str) -> Sequence[ListedFile]:
        """List the files at every depth whose names begin so, sorted by name."""

    def scan(self, prefixes: Sequence[str]) -> Iterator[ListedFile]:
        """List the files whose names begin in one of these ways, and maybe others, in any order.

        However many they are, memory is needed for a few thousand of them.
        """

    def exists(self, name: str) -> bool:
        """Tell whether there is such a file."""

    def delete(self, *names: str) -> None:
        """Delete files; those that are not there are no fault."""

    def is_empty(self) -> bool:
        """Tell whether nothing is there, or the place itself is not."""

    def location(self, name: str) -> str:
        """Tell the path or address of a file, for libraries that read it themselves."""

    def tidy(self) -> None:
        """Delete what killed processes have left half written."""

    def locked(self) -> AbstractContextManager[None]:
        """Keep other runs out until the block ends, where that can be done.

        Raises BulkRefused if another process has it.
        """
