"""Pictures to try a model with: its bundle's own, or those drawn for ImageNet's classes."""

from dataclasses import dataclass
from pathlib import Path

from topfive.bundles.store import Bundle

_MEDIA_TYPES = {".jpg": "image/jpeg", ".png": "image/png"}
_PREFIX = "sample-"
_IMAGENET_CLASSES = 1000
# docs/draw_samples.py drew them; each by its class's number and name in ImageNet's list.
_DRAWN = {
    "balloon.jpg": (417, "balloon"),
    "soccer-ball.jpg": (805, "soccer ball"),
    "jack-o-lantern.jpg": (607, "jack-o'-lantern"),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture to try a model with."""

    file: Path

    @property
    def name(self) -> str:
        """What is in it, in a word or two."""
        return self.file.stem.removeprefix(_PREFIX).replace("-", " ")

    @property
    def media_type(self) -> str:
        """Its type, as HTTP names it."""
        return _MEDIA_TYPES[self.file.suffix]


def samples_of(bundle: Bundle) -> tuple[Sample, ...]:
    """List the samples of a bundle, in a fixed order; none where its classes are not ImageNet's.

    A bundle's own are the `sample*` pictures that its manifest vouches for.
    """
    listed = sorted(name for name in bundle.manifest.files if name.startswith("sample"))
    own = [bundle.folder / name for name in listed if Path(name).suffix in _MEDIA_TYPES]
    return tuple(Sample(file) for file in own or _drawn_for(bundle.labels))


def _drawn_for(labels: tuple[str, ...]) -> list[Path]:
    """Give the drawn ones to a model that has ImageNet's classes, whatever its name."""
    if len(labels) != _IMAGENET_CLASSES:
        return []
    if any(labels[number] != name for number, name in _DRAWN.values()):
        return []
    return [Path(__file__).parent / "drawn" / name for name in _DRAWN]
