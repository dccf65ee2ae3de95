"""Events in, decisions out: what becomes of every request, by tables and by chance."""

import pytest

from tests.unit.server.scripts import Script, scheduler_with
from topfive.server.upload import Decision, Stage, Upload, Work

SMALL = {"body_bytes": 100_000, "held_bytes": 400_000}

ARRIVING = [
    ("A whole prediction waits for a thread.", "whole a", "wait"),
    ("A whole probe waits for a thread.", "whole a probe", "wait"),
    ("Anything else that is whole waits for a thread.", "whole a other", "wait"),
    (
        "In calm times a thread reads a body that is under way.",
        "connect a; bytes a 50; head a prediction; body a 900",
        "stream",
    ),
    (
        "A body whose length nobody knows is read by a thread in calm times too.",
        "connect a; bytes a 50; head a prediction; body a unknown",
        "stream",
    ),
    (
        "While there is something to do a body is collected first.",
        "work b; connect a; bytes a 50; head a prediction; body a 900",
        "read on",
    ),
    (
        "A body of unknown length is collected then too.",
        "work b; connect a; bytes a 50; head a prediction; body a unknown",
        "read on",
    ),
    (
        "What was collected to its end waits for a thread.",
        "work b; connect a; bytes a 50; head a prediction; body a 900; bytes a 900; body a 0",
        "wait",
    ),
    (
        "What announces to be too large is not collected: the app refuses it by its length.",
        "work b; connect a; bytes a 50; head a prediction; body a 100001; next",
        "a",
    ),
    (
        "What was collected beyond the limit goes to the app, which refuses it.",
        "work b; connect a; bytes a 100001; head a prediction; body a unknown; next",
        "a",
    ),
    (
        "A request that is not HTTP is refused.",
        "connect a; bytes a 50; broken",
        "malformed_request",
    ),
]

QUEUE_SLOTS = [
    ("With a slot and a queue slot taken a prediction is refused.", "work a; whole b; whole c",
     "overloaded"),
    ("A queue slot alone is enough to wait.", "work a; whole b", "wait"),
    ("It is refused before its body has come.",
     "work a; whole b; connect c; bytes c 50; head c prediction; body c 900", "overloaded"),
    ("What is larger than allowed is refused then too, without troubling the app.",
     "work a; whole b; connect c; bytes c 50; head c prediction; body c 100001", "overloaded"),
    ("A body under way is refused once the queue has filled up.",
     ("work a; connect c; bytes c 50; head c prediction; body c 900; whole b; bytes c 10; "
     "body c 890"), "overloaded"),
    ("A probe is never refused for want of a queue slot.", "work a; whole b; whole c probe",
     "wait"),
    ("Nor is any other request.", "work a; whole b; whole c other", "wait"),
    ("An answer frees its slot.", "work a; whole b; done a; whole c", "wait"),
    ("An answer that its client does not read frees it too.",
     "work a; whole b; done a; unsent a; whole c", "wait"),
    ("A client that leaves while it waits frees its queue slot.",
     "work a; whole b; gone b; whole c", "wait"),
    ("A refusal while it waits frees it too.", "work a; whole b; refused b; whole c", "wait"),
    ("A streamed body has no queue slot.",
     "connect s; bytes s 50; head s prediction; body s 900; work a; whole b", "wait"),
    ("A connection that closes after its answer frees its slot once, not twice.",
     "work a; done a; gone a; work b; whole c; whole d", "overloaded"),
]  # fmt: skip

# With one slot and two queue slots, of which one may look in the cache.
FULL = "work a; whole b; next; whole y"
TRIED_TWICE = "whole c; next; overloaded c; whole d; whole e; next; overloaded e"

LANES = [
    ("Nobody waits: a thread finds nothing.", "next", "nobody"),
    ("A thread takes what waits.", "whole a; next", "a"),
    ("Predictions start in the order they came.", "work a; whole b; done a; next", "b"),
    ("With every slot taken no further prediction starts.", "work a; whole b; next", "nobody"),
    ("A probe starts while every slot is taken.", "work a; whole b; whole p probe; next", "p"),
    ("Another request starts while every slot is taken.",
     "work a; whole b; whole o other; next", "o"),
    ("A probe is first, however late it came.", "whole a; whole o other; whole p probe; next",
     "p"),
    ("A prediction goes before a page.", "whole o other; whole a; next", "a"),
    ("Only so many pages are made at once.",
     "work a other; work b other; work c other; work d other; whole e other; next", "nobody"),
    ("A page that is made lets the next one start.",
     "work a other; work b other; work c other; work d other; whole e other; done b; next", "e"),
    ("Only so many probes are answered at once.",
     "; ".join(f"work {name} probe" for name in "abcdefgh") + "; whole i probe; next", "nobody"),
    ("What left while it waited is not started.", "work a; whole b; gone b; done a; next",
     "nobody"),
    ("What was too large is work for the lane of pages, and takes no slot.",
     ("connect a; bytes a 50; head a prediction; body a 100001; next; work b; gone a; whole c; "
     "next"), "nobody"),
]  # fmt: skip

STREAMING = [
    ("As many bodies are streamed as there are threads for it.",
     "; ".join(f"connect {n}; bytes {n} 50; head {n} prediction; body {n} 900" for n in "abc"),
     "read on", {"streams": 2}),
    ("A streamed answer lets another body be streamed.",
     "; ".join(f"connect {n}; bytes {n} 50; head {n} prediction; body {n} 900" for n in "abc")
     + "; done a; body c 900", "stream", {"streams": 2}),
    ("A streaming client that leaves makes place for another body.",
     "; ".join(f"connect {n}; bytes {n} 50; head {n} prediction; body {n} 900" for n in "abc")
     + "; gone b; body c 900", "stream", {"streams": 2}),
    ("Streams may hold half of the bytes at most, however many threads there are.",
     "; ".join(f"connect {n}; bytes {n} 50; head {n} prediction; body {n} 900" for n in "abc"),
     "read on", {"streams": 8, **SMALL}),
    ("With few bytes to hold nothing is streamed.",
     "connect a; bytes a 50; head a prediction; body a 900", "read on", {"held_bytes": 150_000}),
    ("With many queue slots a few predictions are still calm times.",
     "work x; connect a; bytes a 50; head a prediction; body a 900", "stream", {"queue": 31}),
    ("With an eighth of them taken they are not.",
     "work x; whole y; whole z; whole v; connect a; bytes a 50; head a prediction; body a 900",
     "read on", {"queue": 31}),
]  # fmt: skip

LOOKUPS = [
    ("Predictions have a thread before they have a slot.", "work a; whole b; next", "b", {}),
    ("As many as may look in the cache, beside those at work.",
     "work a; whole b; next; whole c; next", "nobody", {"queue": 2}),
    ("Without a queue slot one is collected, since the cache may answer it.",
     f"{FULL}; connect c; bytes c 50; head c prediction; body c 900", "read on", {}),
    ("Whole it has a thread of its own.", f"{FULL}; whole c; next", "c", {}),
    ("There is one such thread.", f"{FULL}; whole c; next; whole d; next", "nobody", {}),
    ("When it is free the next one is tried.",
     f"{FULL}; whole c; next; whole d; done c; next", "d", {}),
    ("Only so many are collected and tried.", f"{FULL}; whole c; whole d; whole e", "overloaded",
     {"only_cached": 2}),
    ("One that leaves makes place.", f"{FULL}; whole c; whole d; gone c; whole e", "wait",
     {"only_cached": 2}),
    ("One that is answered does too.", f"{FULL}; whole c; next; whole d; done c; whole e", "wait",
     {"only_cached": 2}),
    ("A body that is too large is refused as it was.",
     f"{FULL}; connect c; bytes c 50; head c prediction; body c 100001", "overloaded", {}),
    ("With a queue slot free by the time that it is whole it is a prediction like any other.",
     (f"{FULL}; connect c; bytes c 50; head c prediction; body c 900; done a; bytes c 900; "
     "body c 0; next; next"), "nobody", {}),
    ("It makes place for another then.",
     (f"{FULL}; connect c; bytes c 50; head c prediction; body c 900; done a; bytes c 900; "
     "body c 0; whole d"), "wait", {"only_cached": 1}),
    ("After one that the cache could not answer the next one is refused unread.",
     f"{FULL}; whole c; next; overloaded c; whole d", "overloaded", {}),
    ("The one after that is tried.",
     f"{FULL}; whole c; next; overloaded c; whole d; whole e", "wait", {}),
    ("If that is in vain too three are refused.",
     f"{FULL}; {TRIED_TWICE}; whole f; whole g; whole h", "overloaded", {}),
    ("And the fourth is tried.", f"{FULL}; {TRIED_TWICE}; whole f; whole g; whole h; whole i",
     "wait", {}),
    ("After one that it has answered every one is tried.",
     (f"{FULL}; {TRIED_TWICE}; whole f; whole g; whole h; whole i; next; done i; whole j; next"),
     "j", {}),
]  # fmt: skip

BATCHES = [
    ("A batch waits for a thread, however little of it has come.", "batch a", "wait", {}),
    ("So it does where nobody knows its length.", "batch a unknown", "wait", {}),
    ("Only so many are at work.", "batch a; next; batch b; next; batch c; next", "nobody", {}),
    ("One that is answered lets the next one start.",
     "batch a; next; batch b; next; batch c; batch d; done b; next", "c", {}),
    ("One whose client leaves does so too.",
     "batch a; next; batch b; next; batch c; gone a; next", "c", {}),
    ("Only so many wait.", f"{'; '.join(f'batch {n}; next' for n in 'abcdefghij')}; batch k",
     "overloaded", {}),
    ("One that leaves while it waits makes place for another.",
     f"{'; '.join(f'batch {n}; next' for n in 'abcdefghij')}; gone f; batch k", "wait", {}),
    ("It needs no queue slot of predictions.", "work a; whole b; batch c; next", "c", {}),
    ("Nor does it take one.", "batch a; next; batch b; batch c; work d; whole e", "wait", {}),
    ("What announces to be too large is the app's to refuse, at once.",
     f"{'; '.join(f'batch {n}; next' for n in 'abcdefghij')}; batch k 500001; next", "k", {}),
    ("What its thread has read does not count as held.",
     "batch a; next; streamed a 400000; connect b; bytes b 399950", "nothing", SMALL),
    ("It may take longer than a prediction.", "batch a; next; batch b; next; batch c; at 299; tick",
     "nothing", {}),
    ("What still waits then is past its deadline.",
     "batch a; next; batch b; next; batch c; at 300; tick", "c deadline_exceeded", {}),
    ("At work it is left to its thread.", "batch a; next; at 999; tick", "nothing", {}),
    ("At a stop those that wait have a short while more.",
     "batch a; next; batch b; next; batch c; stop; done a; next", "c", {}),
    ("After it they are told that the worker stops.",
     "batch a; next; batch b; next; batch c; stop; at 2; tick", "c shutting_down", {}),
    ("What is at work then is left to its thread.", "batch a; next; stop; at 9; tick", "nothing",
     {}),
    ("One that comes as the worker stops begins while a thread is free.",
     "stop; batch a; next", "a", {}),
    ("It waits no longer than those that waited.",
     "batch a; next; batch b; next; stop; batch c; at 2; tick", "c shutting_down", {}),
    ("Where too many wait it is told that the worker stops.",
     f"{'; '.join(f'batch {n}; next' for n in 'abcdefghij')}; stop; batch k", "shutting_down", {}),
]  # fmt: skip

MAKING_ROOM = [
    ("Below the limit everybody stays.", "connect a; bytes a 400000", "nothing"),
    ("Beyond it the upload that has taken longest is given up.",
     ("connect a; bytes a 200000; at 1; connect b; bytes b 200000; at 2; connect c; "
     "bytes c 100000"), "a overloaded"),
    ("Age is counted from a request's first byte, not from its connection.",
     ("connect b; connect a; bytes a 200000; at 1; bytes b 200000; at 2; connect c; "
     "bytes c 100000"), "a overloaded"),
    ("As many are given up as it takes, and no more.",
     ("connect a; bytes a 90000; at 1; connect b; bytes b 300000; at 2; connect c; "
     "bytes c 110000"), "a overloaded, b overloaded"),
    ("Small ones are spared, however old.",
     "connect a; bytes a 65536; at 1; connect b; bytes b 300000; at 2; connect c; bytes c 65536",
     "b overloaded"),
    ("Who is over the limit alone is given up itself.", "connect a; bytes a 400001",
     "a overloaded"),
    ("What is worked on is not given up.",
     "connect a; bytes a 100000; head a prediction; body a 0; next; connect b; bytes b 300001",
     "b overloaded"),
    ("What waits for a thread is not given up.",
     "work x; connect a; bytes a 99990; head a prediction; body a 0; connect b; bytes b 300001",
     "b overloaded"),
    ("What streams have read counts.",
     ("connect a; bytes a 50; head a prediction; body a 900; streamed a 200000; connect b; "
     "bytes b 200001"), "b overloaded"),
    ("What streams had read does not count once they are answered.",
     ("connect a; bytes a 50; head a prediction; body a 900; streamed a 200000; done a; "
     "connect b; bytes b 200001"), "nothing"),
    ("What was given up counts no longer.",
     ("connect a; bytes a 300000; connect b; bytes b 150000; refused a part; connect c; "
     "bytes c 200000"), "nothing"),
]  # fmt: skip

TIME = [
    ("A new connection may take its time.", "connect a; at 9.9; tick", "nothing"),
    ("One on which nothing comes is just closed.", "connect a; at 10; tick", "a closed"),
    ("A head that is not whole in time is refused.", "connect a; at 5; bytes a 10; at 15; tick",
     "a upload_too_slow"),
    ("A head has its time from its first byte.", "connect a; at 5; bytes a 10; at 14.9; tick",
     "nothing"),
    ("Further bytes of a head give it no more time.",
     "connect a; bytes a 10; at 9; bytes a 10; at 10; tick", "a upload_too_slow"),
    ("A body has the time of the whole request.",
     "work x; connect a; bytes a 10; head a prediction; body a 90; at 29.9; tick", "nothing"),
    ("A body that is not whole by then is refused.",
     "work x; connect a; bytes a 10; head a prediction; body a 90; at 30; tick",
     "a upload_too_slow"),
    ("What still waits for a thread by then is past its deadline.",
     "work x; whole a; at 30; tick", "a deadline_exceeded"),
    ("The time runs from the head, not from the moment it was whole.",
     ("work x; connect a; bytes a 10; head a prediction; body a 90; at 20; bytes a 90; body a 0; "
     "at 30; tick"), "a deadline_exceeded"),
    ("What a thread works on is left to it.", "work a; at 99; tick", "nothing"),
    ("What a thread streams is left to it.",
     "connect a; bytes a 10; head a prediction; body a 90; at 99; tick", "nothing"),
    ("What a thread is sending is left to it.", "work a; done a; at 99; tick", "nothing"),
    ("A client has a while to read its answer.", "work a; done a; unsent a; at 9.9; tick",
     "nothing"),
    ("One that does not read it is closed.", "work a; done a; unsent a; at 10; tick", "a closed"),
    ("A kept connection may rest.", "work a; done a; answered a; at 74.9; tick", "nothing"),
    ("One that rests for too long is closed.", "work a; done a; answered a; at 75; tick",
     "a closed"),
    ("A further request has the time of a first one.",
     "work a; done a; answered a; at 70; bytes a 10; at 79.9; tick", "nothing"),
    ("It is refused when that is over.",
     "work a; done a; answered a; at 70; bytes a 10; at 80; tick", "a upload_too_slow"),
    ("A request that is there already has a head's time from the answer on.",
     ("connect a; bytes a 10; head a prediction; body a 0; next; bytes a 7; release a 10; "
     "answered a; at 10; tick"), "a upload_too_slow"),
    ("Who is refused is not heard for a pause.", "whole a; refused a; at 0.4; tick", "nothing"),
    ("After it the next request is read.", "whole a; refused a; at 0.5; tick", "a read on"),
    ("From then on it is a kept connection.", "whole a; refused a; at 0.5; tick; at 75.5; tick",
     "a closed"),
    ("A client that sends on after its refusal is heard for a while.",
     "connect a; bytes a 10; refused a part; closing a; at 2.9; tick", "nothing"),
    ("When that is over the connection is closed.",
     "connect a; bytes a 10; refused a part; closing a; at 3; tick", "a closed"),
]  # fmt: skip

KEEPING = [
    ("A refused request that was read whole leaves its connection open.", "whole a; refused a",
     "kept", {}),
    ("One of which something is missing does not.", "connect a; bytes a 5; refused a part",
     "not kept", {}),
    ("Of many connections none is kept that is refused.", "connect b; whole a; refused a",
     "not kept", {"kept_connections": 1}),
    ("While stopping none is kept.", "whole a; stop; refused a", "not kept", {}),
    ("Refused connections are read to their end.", "whole a; refused a part; closing a", "kept",
     {}),
    ("Only so many of them.",
     "whole a; closing a; whole b; closing b", "not kept", {"closing_connections": 1}),
    ("One that has ended makes place for another.",
     "whole a; closing a; gone a; whole b; closing b", "kept", {"closing_connections": 1}),
]  # fmt: skip

STOPPING = [
    ("A request that is not whole has a short while.",
     "connect a; bytes a 10; stop; at 1.9; tick", "nothing"),
    ("Then it is told why it is not answered.",
     "connect a; bytes a 10; stop; at 2; tick", "a shutting_down"),
    ("So is a body that is under way.",
     "work x; connect a; bytes a 10; head a prediction; body a 90; stop; at 2; tick",
     "a shutting_down"),
    ("A connection that rests is closed.", "work a; done a; answered a; stop; at 2; tick",
     "a closed"),
    ("A connection that is accepted later has a short while too.",
     "stop; connect a; at 2; tick", "a closed"),
    ("One that is answered later as well.", "work a; stop; done a; answered a; at 2; tick",
     "a closed"),
    ("What is worked on is answered.", "work a; stop; at 2; tick", "nothing"),
    ("What waits is answered.", "work x; whole a; stop; at 2; tick", "nothing"),
    ("It still gets its thread.", "work x; whole a; stop; done x; next", "a"),
    ("An answer that its client reads slowly keeps its time.",
     "work a; done a; unsent a; stop; at 2; tick", "nothing"),
    ("No time is given that was not there before.",
     "connect a; at 9; bytes a 10; at 18; stop; at 19; tick", "a shutting_down"),
]  # fmt: skip


class Table(Script):
    """What only these tables need."""

    def on_broken(self) -> object:
        """A head or body is not HTTP."""
        return self.scheduler.broken()

    def on_overloaded(self, name: str) -> None:
        """The app has answered that there is no queue slot."""
        self.uploads[name].is_overloaded = True
        self.on_done(name)

    def on_streamed(self, name: str, count: str) -> None:
        """A thread has read so much of a body."""
        self.uploads[name].streamed_bytes += int(count)

    def on_release(self, name: str, count: str) -> None:
        """The answer is made; of what had arrived so many bytes belonged to its request."""
        self.scheduler.work_done(self.uploads[name], int(count))


def rows(table: list[tuple], **limits: int) -> list:
    """Make a test of each row; what it promises is its name."""
    return [
        pytest.param(script, told, {**limits, **(own[0] if own else {})}, id=promise)
        for promise, script, told, *own in table
    ]


@pytest.mark.parametrize(
    ("script", "told", "limits"),
    [
        *rows(ARRIVING),
        *rows(QUEUE_SLOTS),
        *rows(LANES, queue=4, streams=0),
        *rows(STREAMING),
        *rows(LOOKUPS, queue=2, lookups=1),
        *rows(BATCHES),
        *rows(MAKING_ROOM, **SMALL),
        *rows(TIME),
        *rows(KEEPING),
        *rows(STOPPING),
    ],
)
def test_decision(script: str, told: str, limits: dict[str, int]) -> None:
    """Each row's events lead to what the row says."""
    assert Table(**limits).play(script) == told


@pytest.mark.parametrize(
    ("script", "stage"),
    [
        ("connect a", Stage.IDLE),
        ("connect a; bytes a 10", Stage.HEAD),
        ("connect a; bytes a 10; head a prediction", Stage.BODY),
        ("whole a", Stage.WAITING),
        ("work a", Stage.WORKING),
        ("connect a; bytes a 10; head a other; body a 90", Stage.WORKING),
        ("work a; done a", Stage.ANSWERED),
        ("work a; done a; unsent a", Stage.SENDING),
        ("work a; done a; answered a", Stage.IDLE),
        ("connect a; bytes a 10; head a probe; body a 0; next; release a 4; answered a",
         Stage.HEAD),
        ("whole a; refused a", Stage.PAUSED),
        ("whole a; refused a; at 1; tick", Stage.IDLE),
        ("whole a; refused a part; closing a", Stage.CLOSING),
    ],
)  # fmt: skip
def test_stage(script: str, stage: Stage) -> None:
    """Every stage is reached by the events that its name tells of, and all are in this table."""
    table = Table()
    table.play(script)
    assert table.uploads["a"].stage is stage


def test_refusals_tell_when_to_ask_again() -> None:
    """What is refused for want of a queue slot or of bytes carries Retry-After."""
    table = Table(**SMALL)
    table.play("connect a; bytes a 300000; connect b; bytes b 200000")
    (_, refusal), *_ = table.on_bytes("b", "1")
    assert refusal.failure.retry_after_s == 1
    table = Table()
    table.play("work a; whole b; connect c; bytes c 10; head c prediction")
    assert table.on_body("c", "0").failure.retry_after_s == 1


def test_an_answer_for_a_connection_that_was_dropped_frees_nothing_twice() -> None:
    """A thread that finishes after its connection was given up changes no account."""
    scheduler, upload = scheduler_with(), Upload()
    scheduler.accepted(upload, 0)
    scheduler.arrived(upload, 10, 0)
    scheduler.head_complete(upload, Work.PREDICTION, 0)
    assert scheduler.body_arrived(upload, 0, 0) is Decision.WAIT
    assert scheduler.next_work() is upload
    scheduler.gone(upload)
    scheduler.work_done(upload, 10)
    assert (scheduler.predictions, scheduler.held_bytes, scheduler.connections) == (0, 0, 0)


def test_work_that_takes_long_makes_way_for_as_many_as_there_are_slots() -> None:
    """After a second another one starts beside it, and when it ends no more than before may."""
    scheduler = scheduler_with(slots=1, queue=9)
    first, second, third, fourth = uploads = [Upload() for _ in range(4)]
    for upload in uploads:
        scheduler.accepted(upload, 0)
        scheduler.arrived(upload, 10, 0)
        scheduler.head_complete(upload, Work.PREDICTION, 0)
        scheduler.body_arrived(upload, 0, 0)
    scheduler.tick(5.0)
    assert (scheduler.next_work(), scheduler.next_work()) == (first, None)
    scheduler.tick(5.75)
    assert scheduler.next_work() is None
    scheduler.tick(6.0)
    assert (scheduler.next_work(), scheduler.next_work()) == (second, None)
    # Both take long now, and two at once are the most.
    scheduler.tick(9.0)
    assert scheduler.next_work() is None
    scheduler.work_done(first, 10)
    assert (scheduler.next_work(), scheduler.next_work()) == (third, None)
    scheduler.work_done(second, 10)
    assert scheduler.next_work() is None
    scheduler.work_done(third, 10)
    assert scheduler.next_work() is fourth


def test_the_number_of_threads_is_that_of_all_lanes() -> None:
    """There is a thread for every slot, spare slot, stream, batch, page and probe at once."""
    limits = scheduler_with(slots=3, streams=5, others=2, probes=7).limits
    assert (limits.capacity, limits.threads) == (4, 22)


@pytest.mark.parametrize(("most_bytes", "decision"), [(1_000, Decision.WAIT), (None, None)])
def test_a_body_may_be_as_long_as_its_route_says(
    most_bytes: int | None, decision: Decision | None
) -> None:
    """What is longer than its own route allows is not collected, though another route's may be."""
    scheduler = scheduler_with(slots=1, streams=0, **SMALL)
    upload = Upload()
    scheduler.accepted(upload, 0)
    scheduler.arrived(upload, 50, 0)
    scheduler.head_complete(upload, Work.PREDICTION, 0, most_bytes)
    assert scheduler.body_arrived(upload, 1_001, 0) is (decision or Decision.READ_ON)
    assert upload.work is (Work.OTHER if decision else Work.PREDICTION)
