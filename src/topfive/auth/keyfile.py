"""API keys from a file that is read again when it changes, so that no restart is needed."""

from pathlib import Path
from threading import Lock

from topfive.auth.keys import ApiKey, parse_api_keys
from topfive.errors import SettingsError

_Stamp = tuple[int, int, int]


class KeyFile:
    """The keys in a file: one entry a line, as in the setting; `#` begins a comment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._stamp, self._keys = self._read()

    def __call__(self) -> tuple[ApiKey, ...]:
        """Return the keys as the file has them now; a file that is broken changes nothing."""
        with self._lock:
            try:
                if self._stamp_now() != self._stamp:
                    self._stamp, self._keys = self._read()
            except (OSError, SettingsError):
                pass
            return self._keys

    def _read(self) -> tuple[_Stamp, tuple[ApiKey, ...]]:
        """Read the file; raises SettingsError with what is wrong in it."""
        try:
            stamp = self._stamp_now()
            lines = self._path.read_text("utf-8").splitlines()
            entries = [line.partition("#")[0].strip() for line in lines]
            return stamp, parse_api_keys(",".join(entries))
        except OSError as error:
            raise SettingsError(f"{self._path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise SettingsError(f"{self._path}: {error}") from error

    def _stamp_now(self) -> _Stamp:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
