"""How far a training is, for whoever waits for it."""

from typing import Protocol


class Reporter(Protocol):
    """Is told what is done, and how much of it."""

    def begin(self, what: str, steps: int) -> None:
        """Begin something of so many steps; what was begun before has ended."""
        ...

    def advance(self, steps: int = 1) -> None:
        """Count steps of what was begun."""
        ...

    def tell(self, sentence: str) -> None:
        """Tell something that a person should know."""
        ...


class Silent:
    """Tells nobody."""

    def begin(self, what: str, steps: int) -> None:
        """Do nothing."""

    def advance(self, steps: int = 1) -> None:
        """Do nothing."""

    def tell(self, sentence: str) -> None:
        """Do nothing."""
