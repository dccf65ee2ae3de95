"""Why a bundle cannot be written, in plain words."""

import errno
from pathlib import Path

from topfive.errors import BundleMissing, SettingsError

_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP}
# No space, over the quota, over the largest size of a file.
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_disk_full(error: OSError) -> bool:
    """Tell whether something was not written because there is no space for it."""
    return error.errno in _DISK_FULL


def explain_unwritable(models_dir: Path, error: OSError) -> SettingsError | BundleMissing:
    """Make the error that says why no bundle can be written, and what to do."""
    is_no_folder = isinstance(error, FileExistsError)
    if is_no_folder or error.errno in _NOT_WRITABLE:
        why = f"{error.filename} is no folder" if is_no_folder else error.strerror
        return SettingsError(
            f"TOPFIVE_MODELS_DIR={models_dir} cannot be written to: {why}. "
            "Give the service's user the right to write there, or name another directory."
        )
    full = " Delete old versions, or give it a larger disk." if is_disk_full(error) else ""
    return BundleMissing(f"The bundle cannot be written to {models_dir}: {error.strerror}.{full}")
