"""How fast a run is, and how long the rest of it takes."""

from collections import deque

# What was long ago says nothing of now: nodes come and go.
_WINDOW_S = 60.0


class Pace:
    """Counts pictures over the last minute; times are seconds of one clock."""

    def __init__(self, now_s: float, done: int) -> None:
        self._samples = deque([(now_s, done)])

    def add(self, now_s: float, done: int) -> None:
        """Note how many are done now."""
        self._samples.append((now_s, done))
        while len(self._samples) > 2 and now_s - self._samples[1][0] >= _WINDOW_S:
            self._samples.popleft()

    def per_s(self) -> float:
        """Tell how many pictures a second were done; 0 as long as none was."""
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0

    def left_s(self, pictures: int) -> float | None:
        """Tell how long the rest of so many pictures takes; None as long as none was done."""
        rate = self.per_s()
        return (pictures - self._samples[-1][1]) / rate if rate else None


def show_duration(duration_s: float) -> str:
    """Write a duration in its two largest units."""
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((place for place, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])
