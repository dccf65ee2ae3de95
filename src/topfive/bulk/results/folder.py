"""From the place that is named for a run's results to its files."""

from pathlib import Path

from topfive.bulk.results.bucket import ResultsBucket
from topfive.bulk.results.contract import ListedFile, ResultsFolder
from topfive.bulk.results.directory import ResultsDirectory
from topfive.errors import BulkRefused
from topfive.stores.address import parse_store

__all__ = ["ListedFile", "ResultsFolder", "open_results"]


def open_results(place: str) -> ResultsFolder:
    """Open the folder at a path or an address; nothing is made or looked up yet.

    Raises BulkRefused if there can be none, SettingsError if its library is not installed.
    """
    if "://" not in place:
        if not place or "\x00" in place:
            raise BulkRefused("The results' folder has no name. Give a directory after --out.")
        return ResultsDirectory(Path(place).absolute())
    try:
        address = parse_store(place)
    except ValueError as error:
        raise BulkRefused(f"The results' folder cannot be used: {error}.") from error
    if address.is_web:
        raise BulkRefused(
            f"Results cannot be written to {address.shown}, a web server. Give a directory, or "
            "an address that begins with s3://, gs:// or az://."
        )
    return ResultsBucket(address)
