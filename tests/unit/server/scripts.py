"""Plays a short script of events to a scheduler, and says in words what it decided.

connect a; bytes a 100; head a prediction; body a 0   ->   "wait"
"""

from math import inf

from topfive.errors import Overloaded
from topfive.server.scheduler import UploadScheduler
from topfive.server.upload import Decision, Refusal, SchedulerLimits, Upload, Work

LIMITS = {"slots": 1, "queue": 1, "body_bytes": 100_000, "held_bytes": 1_000_000, "request_s": 30.0}


def scheduler_with(**limits: float) -> UploadScheduler:
    """Make a scheduler for one slot and one queue slot, unless `limits` say otherwise."""
    return UploadScheduler(
        SchedulerLimits(**{**LIMITS, **limits}), lambda: Overloaded(retry_after_s=1)
    )


class Script:
    """A scheduler, its clock in seconds, and connections that have names."""

    def __init__(self, **limits: float) -> None:
        self.scheduler = scheduler_with(**limits)
        self.uploads: dict[str, Upload] = {}
        self.now_s = 0.0

    def play(self, text: str) -> str:
        """Play events that are separated by semicolons; returns what the last one led to."""
        told = ""
        for event in text.split(";"):
            name, *given = event.split()
            told = self._say(getattr(self, f"on_{name}")(*given))
        return told

    def on_at(self, now_s: str) -> None:
        """Set the clock."""
        self.now_s = float(now_s)

    def on_connect(self, name: str) -> None:
        """A client connects."""
        self.uploads[name] = Upload()
        self.scheduler.accepted(self.uploads[name], self.now_s)

    def on_bytes(self, name: str, count: str) -> list:
        """Some bytes arrive."""
        return self.scheduler.arrived(self.uploads[name], int(count), self.now_s)

    def on_head(self, name: str, work: str) -> None:
        """A head is whole, and asks for this kind of work."""
        self.scheduler.head_complete(self.uploads[name], Work(work), self.now_s)

    def on_body(self, name: str, missing: str) -> Decision | Refusal:
        """So many bytes of the body are missing."""
        count = inf if missing == "unknown" else int(missing)
        return self.scheduler.body_arrived(self.uploads[name], count, self.now_s)

    def on_whole(self, name: str, work: str = "prediction") -> Decision | Refusal:
        """A client connects and sends a whole request of 10 bytes at once."""
        self.on_connect(name)
        self.on_bytes(name, "10")
        self.on_head(name, work)
        return self.on_body(name, "0")

    def on_batch(self, name: str, missing: str = "400000") -> Decision | Refusal:
        """A client connects and sends 50 bytes of a batch."""
        self.on_connect(name)
        self.on_bytes(name, "50")
        self.scheduler.head_complete(self.uploads[name], Work.BATCH, self.now_s, 500_000)
        return self.on_body(name, missing)

    def on_work(self, name: str, work: str = "prediction") -> str | None:
        """A client sends a whole request, and a thread takes the next one that may start."""
        self.on_whole(name, work)
        return self.on_next()

    def on_next(self) -> str | None:
        """A thread is free."""
        upload = self.scheduler.next_work()
        return next((name for name, one in self.uploads.items() if one is upload), None)

    def on_done(self, name: str) -> None:
        """The answer is made; all that had arrived belonged to its request."""
        self.scheduler.work_done(self.uploads[name], self.uploads[name].held_bytes)

    def on_unsent(self, name: str) -> None:
        """The client does not take its answer at once."""
        self.scheduler.answer_unsent(self.uploads[name], self.now_s)

    def on_answered(self, name: str) -> None:
        """The answer is sent."""
        self.scheduler.answered(self.uploads[name], self.now_s)

    def on_refused(self, name: str, how: str = "whole") -> bool:
        """A refusal is carried out; all of its request had arrived, or only part of it."""
        upload = self.uploads[name]
        return self.scheduler.refused(upload, self.now_s, is_whole=how == "whole")

    def on_closing(self, name: str) -> bool:
        """A connection is read to its end."""
        return self.scheduler.closing(self.uploads[name], self.now_s)

    def on_gone(self, name: str) -> None:
        """A connection is closed."""
        self.scheduler.gone(self.uploads.pop(name))

    def on_stop(self) -> None:
        """The worker is told to stop."""
        self.scheduler.stop(self.now_s)

    def on_tick(self) -> list:
        """Time alone decides."""
        return self.scheduler.tick(self.now_s)

    def _say(self, told: object) -> str:
        if isinstance(told, Decision):
            return told.value
        if isinstance(told, Refusal):
            return told.failure.code if told.failure else "closed"
        if isinstance(told, list):
            names = {id(one): name for name, one in self.uploads.items()}
            pairs = [f"{names[id(one)]} {self._say(verdict)}" for one, verdict in told]
            return ", ".join(sorted(pairs)) or "nothing"
        return {True: "kept", False: "not kept", None: "nobody"}.get(told, str(told))
