"""Heatmaps laid over their pictures, written as files for `topfive classify --heatmap`."""

from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Protocol

import click
from PIL import Image, ImageOps

from topfive.cli.picture_files import STANDARD_INPUT
from topfive.errors import Failure
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
from topfive.predictions import Heatmap

# To look at, not to keep: a larger picture is made smaller.
_LONGEST_SIDE = 1024
# From where little was seen to where most was.
_COLOURS = ("#7f0000", "#ff4500", "#ffff00")
_MOST_COVER = 0.7
# Who has classified a picture has refused what is too large.
_LIMITS = ImageLimits(max_bytes=1 << 40, max_pixels=1 << 30)


class Overlays(Protocol):
    """Where heatmaps are written."""

    @property
    def are_wanted(self) -> bool:
        """Whether any are."""
        ...

    def require_files(self, pictures: Sequence[Path]) -> None:
        """Do nothing if pictures can be read again; raises click's error if not."""

    def write(self, picture: Path, heatmap: Heatmap | None, data: bytes | None = None) -> None:
        """Lay the heatmap of a picture over it, which is read again where its bytes are not given.

        Raises click's error if it fails.
        """


class NoOverlays:
    """Stands in where nobody asked for any."""

    are_wanted = False

    def require_files(self, pictures: Sequence[Path]) -> None:
        """Do nothing."""

    def write(self, picture: Path, heatmap: Heatmap | None, data: bytes | None = None) -> None:
        """Do nothing."""


class OverlayFiles:
    """Writes one PNG for each picture: as `name`, or called after the picture into a folder."""

    are_wanted = True

    def __init__(self, target: Path, *, is_folder: bool) -> None:
        self._target = target
        self._is_folder = is_folder
        self._names: Counter[str] = Counter()

    def require_files(self, pictures: Sequence[Path]) -> None:
        """Do nothing if pictures can be read again; raises click's error for standard input."""
        if STANDARD_INPUT in pictures:
            raise click.UsageError("--heatmap with --url needs files: `-` cannot be read twice.")

    def write(self, picture: Path, heatmap: Heatmap | None, data: bytes | None = None) -> None:
        """Lay the heatmap of a picture over it, which is read again where its bytes are not given.

        Raises click's error if it fails.
        """
        if heatmap is None:
            return
        path = self._path(picture)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draw_overlay(picture.read_bytes() if data is None else data, heatmap).save(path, "PNG")
        except Failure as failure:
            raise click.ClickException(
                f"{click.format_filename(picture)} cannot be drawn over: {failure.detail}"
            ) from failure
        except OSError as error:
            name = click.format_filename(path)
            raise click.ClickException(f"{name} cannot be written: {error.strerror}.") from error

    def _path(self, picture: Path) -> Path:
        if not self._is_folder:
            return self._target
        name = "standard-input" if picture == STANDARD_INPUT else picture.name
        self._names[name] += 1
        # Pictures of several folders may have the same name.
        again = f"-{self._names[name]}" if self._names[name] > 1 else ""
        return self._target / f"{name}{again}.png"


def open_overlays(target: Path | None, pictures: Sequence[Path]) -> Overlays:
    """Tell where heatmaps of what is named on the command line go; `target` None: nowhere.

    It is a PNG's name for one picture, else a folder. Raises click's error for another name, so
    that a picture that was named by mistake is not written over.
    """
    if target is None:
        return NoOverlays()
    is_folder = len(pictures) > 1 or pictures[0].is_dir() or target.is_dir()
    _check_target(target, pictures, is_folder=is_folder)
    return OverlayFiles(target, is_folder=is_folder)


def _check_target(target: Path, pictures: Sequence[Path], *, is_folder: bool) -> None:
    name = click.format_filename(target)
    if is_folder:
        if target.is_file():
            raise click.UsageError(
                f"--heatmap needs a folder for several pictures: {name} is a file."
            )
    elif target.suffix.lower() != ".png":
        raise click.UsageError(f"--heatmap writes a PNG: '{name}' must end with .png.")
    elif target.exists() and pictures[0].exists() and target.samefile(pictures[0]):
        raise click.UsageError(f"--heatmap would write over the picture {name}: name another file.")


def draw_overlay(data: bytes, heatmap: Heatmap) -> Image.Image:
    """Lay a heatmap in colours over its upright picture; raises what `images.decode` raises."""
    picture = decode(sniff(data, _LIMITS), _LIMITS, _LONGEST_SIDE).pixels
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    with Image.open(BytesIO(heatmap.png), formats=["PNG"]) as grey:
        levels = grey.resize(picture.size, Image.Resampling.BILINEAR)
    cover = levels.point(lambda level: int(level * _MOST_COVER))
    little, more, most = _COLOURS
    return Image.composite(ImageOps.colorize(levels, little, most, more), picture, cover)
