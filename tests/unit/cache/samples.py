"""Answers, questions and a store, for the tests of the cache."""

from dataclasses import dataclass, field

from topfive.cache.answers import Answer, Question
from topfive.cache.store import Kept
from topfive.predictions import ClassScore, Heatmap, ImageInfo

QUESTION = Question("ab" * 32, "openvino", "f32", 5)


def answer(number=0, heatmap_bytes=0):
    """Make an answer that is told from others by its number."""
    classes = tuple(ClassScore(number + one, f"class {one} é", 0.9 / (one + 1)) for one in range(5))
    heatmap = Heatmap(number, 256, 170, bytes(heatmap_bytes)) if heatmap_bytes else None
    return Answer(classes, ImageInfo("JPEG", 500, 375), heatmap)


@dataclass
class MemoryStore:
    """Entries in a dictionary; it fails while it is told to, and notes what it is asked."""

    entries: dict[bytes, bytes] = field(default_factory=dict)
    claims: set[bytes] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    evicted: int = 0
    failures = (KeyError,)
    poll_s = 0.001

    def get(self, key):
        """Return an entry."""
        self._note("get")
        return self.entries.get(key)

    def put(self, key, entry):
        """Keep an entry."""
        self._note("put")
        self.entries[key] = entry
        return Kept(True, self.evicted)

    def drop(self, key):
        """Forget an entry."""
        self._note("drop")
        self.entries.pop(key, None)

    def claim(self, key):
        """Claim a key."""
        self._note("claim")
        if key in self.claims:
            return False
        self.claims.add(key)
        return True

    def release(self, key):
        """Give up a claim."""
        self._note("release")
        self.claims.discard(key)

    def used_bytes(self):
        """Tell how much is kept."""
        self._note("used_bytes")
        return sum(map(len, self.entries.values()))

    def close(self):
        """Do nothing."""

    def _note(self, verb):
        self.asked.append(verb)
        if verb in self.failing:
            raise KeyError("redis://:secret@host")
