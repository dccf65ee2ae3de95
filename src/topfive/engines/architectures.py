"""The architectures that are known, by torchvision's names; reading this needs no torch."""

from topfive.errors import WeightsRefused

ARCHITECTURES: tuple[str, ...] = ("mobilenet_v2", "resnet50")


def require_known(name: str) -> None:
    """Do nothing for a known architecture; raises WeightsRefused, naming all, for any other."""
    if name not in ARCHITECTURES:
        raise WeightsRefused(
            f"There is no model {name!r} to pull. Known: {', '.join(ARCHITECTURES)}."
        )
