"""Versions of a model: how one is named, which of several is the latest, and a bundle's digest."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from semver import Version

from topfive.bundles.manifest import NAME_PATTERN, Manifest, check_name
from topfive.predictions import ModelRef

LATEST = "latest"
# What a version that is no semantic one is called where it was quantized.
INT8_SUFFIX = "-int8"
_DIGEST = re.compile(r"sha256:[0-9a-f]{12,64}")
# Below every semantic version, beside those that are none.
_NO_VERSION = Version(0)

Rank = tuple[bool, bool, Version, str]


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A model by its name; without a version, the one that is active is meant."""

    name: str
    version: str | None = None

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class KnownBundle:
    """A bundle that was not opened: its folder, and what its manifest says."""

    folder: Path
    manifest: Manifest

    @property
    def is_here(self) -> bool:
        """Whether it lies on this machine; one that a store has may not."""
        return self.folder.exists()

    @property
    def ref(self) -> ModelRef:
        """The name and version that it answers with."""
        return ModelRef(self.manifest.name, self.manifest.version)

    @property
    def digest(self) -> str:
        """The digest of its files and input recipe."""
        return bundle_digest(self.manifest)


def parse_reference(text: str) -> ModelReference:
    """Read `name` or `name@version`; raises ValueError, with what may stand there."""
    name, version = split_reference(text)
    return ModelReference(check_name(name), None if version is None else check_version(version))


def split_reference(text: str) -> tuple[str, str | None]:
    """Take `name@version` apart, whatever the parts are; a bundle's path has no version."""
    name, at, version = text.partition("@")
    return (name, version) if at and "/" not in text else (text, None)


def check_version(version: str) -> str:
    """Give a version back that can be asked for; raises ValueError for any other."""
    if not (re.fullmatch(NAME_PATTERN, version) or _DIGEST.fullmatch(version)):
        raise ValueError(
            "a version has small letters, digits, `.`, `_` and `-` and is at most 64 long, or is "
            "`sha256:` and at least 12 digits of a bundle's digest"
        )
    return version


def bundle_digest(manifest: Manifest) -> str:
    """Compute the sha256, in hex, over all files' names and hashes, and the input recipe.

    No file holds the recipe, and another one makes other answers.
    """
    files = sorted(f"{name} {sha256}\n" for name, sha256 in manifest.files.items())
    lines = [*files, f"{manifest.input.model_dump_json()}\n"]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def rank(manifest: Manifest) -> Rank:
    """Tell how late a version is: semantic ones by their order, below them others by their age.

    Below all of them are those that are held back. Source: semver.org, where `1` and `1.2` stand
    for `1.0.0` and `1.2.0`.
    """
    is_free = not manifest.is_held_back
    version = parse_semantic(manifest.version)
    if version is None:
        return is_free, False, _NO_VERSION, manifest.created
    return is_free, True, version, manifest.created


def parse_semantic(version: str) -> Version | None:
    """Read a semantic version, `1` and `1.2` too; None for any other."""
    try:
        return Version.parse(version, optional_minor_and_patch=True)
    except ValueError:
        return None


def quantized_version(version: str, taken: Iterable[str]) -> str:
    """Name the version that a quantized one becomes: the next free patch, else with INT8_SUFFIX.

    Source: semver.org; what is the same model in other arithmetic is a patch.
    """
    try:
        following = Version.parse(version, optional_minor_and_patch=True).bump_patch()
    except ValueError:
        return f"{version}{INT8_SUFFIX}"
    while str(following) in taken:
        following = following.bump_patch()
    return str(following)


def pick_version(bundles: Iterable[KnownBundle], version: str | None) -> KnownBundle | None:
    """Pick the bundle that `version` means: its text, else a digest; None and `latest`: the latest.

    The bundles are of one name. Returns None where none is meant.
    """
    ranked = sorted(bundles, key=lambda one: rank(one.manifest))
    exact = [one for one in ranked if one.manifest.version == version]
    if exact or version is None or version == LATEST:
        return next(reversed(exact or ranked), None)
    if not _DIGEST.fullmatch(version):
        return None
    digits = version.removeprefix("sha256:")
    return next((one for one in reversed(ranked) if one.digest.startswith(digits)), None)
