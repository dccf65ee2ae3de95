"""How long to wait before trying again: longer after every failure, and never all at one time."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait before the first retry, the factor for each further one, and the most."""

    first_s: float = 5.0
    factor: float = 2.0
    most_s: float = 300.0
    # The share of a wait that chance decides.
    jitter: float = 0.5

    def wait_s(self, failures: int) -> float:
        """Tell how long to wait at most after so many failures in a row."""
        # Beyond so many failures the wait is the longest anyway, and the power would overflow.
        doublings = min(max(0, failures - 1), 64)
        return float(min(self.most_s, self.first_s * self.factor**doublings))

    def draw_wait_s(self, failures: int) -> float:
        """Draw a wait, so that many who failed at the same time do not all come back at one time.

        With the half it is "equal jitter"; https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
        """
        return self.wait_s(failures) * random.uniform(1 - self.jitter, 1)  # noqa: S311 - no secret
