"""What a trained model may be called, and which version comes next."""

from pathlib import Path

from topfive.bundles.manifest import check_name
from topfive.bundles.official import OFFICIAL_NAMES
from topfive.bundles.store import demo_root, list_manifests
from topfive.bundles.versions import parse_semantic
from topfive.errors import SettingsError

_FIRST = "1.0.0"


def check_model_name(name: str, models_dir: Path) -> str:
    """Give a name back that a trained model can have in `models_dir`; raises SettingsError."""
    try:
        check_name(name)
    except ValueError as error:
        raise SettingsError(f"--name {name!r}: {error}.") from None
    # What is shipped inside the package is made by training, too.
    if name in OFFICIAL_NAMES and models_dir.resolve() != demo_root().resolve():
        raise SettingsError(
            f"--name {name} is the name of an official model, and this one is trained here. Choose "
            f"another name, such as {name}-custom."
        )
    return name


def choose_version(models_dir: Path, name: str, wanted: str = "", parent: str = "") -> str:
    """Give the version that is wanted; else 1.0.0, or the next minor one after the latest.

    It comes after that of the `parent` too, which may lie elsewhere. Raises SettingsError as
    `check_new_version`.
    """
    check_new_version(models_dir, name, wanted)
    return wanted or _next_version(models_dir, name, parent)


def check_new_version(models_dir: Path, name: str, wanted: str) -> None:
    """Do nothing if a version can be made, or none is asked for.

    Raises SettingsError if it cannot be a version, or is there already: a version never changes.
    """
    if not wanted:
        return
    try:
        check_name(wanted)
    except ValueError as error:
        raise SettingsError(f"--version {wanted!r}: {error.args[0]}. Write 1.2.0.") from None
    if (models_dir / name / wanted).exists():
        raise SettingsError(
            f"There is a version {wanted} of {name} in {models_dir} already, and a version never "
            f"changes. Leave --version out, and it becomes {_next_version(models_dir, name)}."
        )


def _next_version(models_dir: Path, name: str, parent: str = "") -> str:
    known = [one.version for _, one in list_manifests(models_dir) if one.name == name]
    versions = [version for one in (*known, parent) if (version := parse_semantic(one)) is not None]
    return str(max(versions).bump_minor()) if versions else _FIRST
