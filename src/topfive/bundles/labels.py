"""The classes' names, one a line, in the order of the model's outputs."""

from topfive.errors import BundleRefused


def parse_labels(text: str, classes: int) -> tuple[str, ...]:
    """Read `classes` names from a labels file.

    Raises BundleRefused if there are more or fewer, or an empty one.
    """
    labels = tuple(line.strip() for line in text.splitlines())
    if len(labels) != classes:
        raise BundleRefused(f"The labels file has {len(labels)} names for {classes} classes.")
    if "" in labels:
        raise BundleRefused(f"The labels file has no name in line {labels.index('') + 1}.")
    return labels


def format_labels(labels: tuple[str, ...]) -> str:
    """Write names as a labels file."""
    return "".join(f"{label}\n" for label in labels)
