"""Every name of Gunicorn's inside that topfive relies on: an upgrade that moves one fails here.

Gunicorn documents its settings, its hooks, `BaseApplication` and `Logger`. All else that is named
below is not promised by it. Where a test fails after an upgrade, its name says what has moved, and
`topfive/server/adapter` is the one package to change.
"""

import ast
import inspect
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import GeneratorType
from typing import Any

import pytest
from gunicorn.arbiter import Arbiter as GunicornArbiter
from gunicorn.config import KNOWN_SETTINGS, Config
from gunicorn.http import wsgi
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import (
    InvalidHeader,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestLine,
    NoMoreData,
    ParseException,
)
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader
from gunicorn.workers.base import Worker as GunicornWorker

import topfive
from topfive.machine.sizing import Sizing
from topfive.server import TopfiveServer, gunicorn_options
from topfive.server.adapter import Arbiter, Worker
from topfive.server.adapter.bodies import BodyReader
from topfive.settings import parse_settings

SOURCE = Path(topfive.__file__).parent
ADAPTER = ast.parse(
    "\n".join(one.read_text() for one in sorted((SOURCE / "server" / "adapter").glob("*.py")))
)
SERVER = ast.parse((SOURCE / "server" / "__init__.py").read_text())

IMPORTED = {
    "gunicorn.arbiter.Arbiter",
    "gunicorn.http.body.ChunkedReader",
    "gunicorn.http.errors.InvalidResponseHeader",
    "gunicorn.http.errors.InvalidResponseHeaderName",
    "gunicorn.http.errors.NoMoreData",
    "gunicorn.http.errors.ParseException",
    "gunicorn.http.message.Request",
    "gunicorn.http.unreader.Unreader",
    "gunicorn.http.wsgi",
    "gunicorn.workers.base.Worker",
}
ARBITER = {"WORKERS", "num_workers", "LISTENERS", "systemd", "reexec_pid", "master_pid",
           "reap_workers", "manage_workers", "stop"}  # fmt: skip
WORKER = {"PIPE", "alive", "ppid", "max_requests", "notify", "sockets", "cfg", "wsgi", "age",
          "handle_exit"}  # fmt: skip
# What others ask of a worker: the arbiter's part of the adapter, and the hooks of `server`.
OF_A_WORKER = {"worker.age", "worker.pid", "worker.tmp.last_update", "worker.wsgi"}
SETTINGS_READ = {"graceful_timeout", "worker_connections"}
MESSAGE = {
    "message.method", "message.path", "message.headers", "message.body", "message.body.read",
    "message.body.reader", "message.unreader", "message._expected_100_continue",
    "reader.length", "reader.parser", "reader.buf", "reader.buf.tell", "reader.unreader",
    "reader.unreader.buf", "reader.unreader.buf.tell",
    "message.unreader.take_buffered",
}  # fmt: skip
# These are the adapter's own: its subclass of Unreader has them.
OWN = {"message.unreader.go_on", "message.unreader.wait_for", "message.unreader.wait"}
RESPONSE = {
    "wsgi.create", "response.start_response", "response.write", "response.close",
    "response.should_close", "response.force_close", "response.status_code",
}  # fmt: skip
BASES = {"ARBITER": (GunicornArbiter, Arbiter, ARBITER), "WORKER": (GunicornWorker, Worker, WORKER)}


def dotted(node: ast.AST) -> str:
    """Write `a.b.c` for an attribute of an attribute of a name; empty for anything else."""
    text = ast.unparse(node)
    return text if text.replace(".", "").replace("_", "").isalnum() else ""


def attributes_of(tree: ast.AST, *roots: str) -> set[str]:
    """List the attributes that are asked of names, without those that lead to longer ones."""
    found = {dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return {one for one in found if one.partition(".")[0] in roots}


def class_in(tree: ast.Module, name: str) -> ast.ClassDef:
    """Find a class in a module."""
    return next(one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == name)


def own_names(node: ast.ClassDef) -> set[str]:
    """List what a class defines itself."""
    defined = {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
    return defined | {ast.unparse(one.target) for one in node.body if isinstance(one, ast.AnnAssign)
                      } | {ast.unparse(target) for one in node.body if isinstance(one, ast.Assign)
                           for target in one.targets}  # fmt: skip


@pytest.fixture
def server() -> TopfiveServer:
    """The application that Gunicorn runs, as `topfive serve` makes it."""
    sizing = Sizing(workers=2, slots=1, queue=1, decoding_bytes=10**9, reason="a test")
    return TopfiveServer(parse_settings({}), sizing, lambda: "the app")


@pytest.fixture(autouse=True)
def _loggers_stay_as_they_were() -> Iterator[None]:
    """Undo what Gunicorn sets on its loggers when an arbiter is made."""
    loggers = [logging.getLogger(name) for name in ("gunicorn.error", "gunicorn.access")]
    before = [(one.level, one.propagate, list(one.handlers)) for one in loggers]
    yield
    for one, (level, propagate, handlers) in zip(loggers, before, strict=True):
        one.setLevel(level)
        one.propagate, one.handlers = propagate, handlers


@pytest.fixture
def arbiter(server: TopfiveServer, monkeypatch: pytest.MonkeyPatch) -> Arbiter:
    """An arbiter that has not been started."""
    monkeypatch.setenv("SERVER_SOFTWARE", "")
    return Arbiter(server)


@pytest.fixture
def worker(arbiter: Arbiter) -> Iterator[Worker]:
    """A worker before the fork."""
    one = Worker(7, os.getppid(), ["a socket"], arbiter.app, 30, arbiter.cfg, arbiter.log)
    yield one
    one.tmp.close()


def test_these_are_all_imports() -> None:
    """The adapter imports what is listed here, and no other module imports Gunicorn."""
    found: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = {one.name for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{one.name}" for one in node.names}
            else:
                continue
            if used := {one for one in names if one.partition(".")[0] == "gunicorn"}:
                where = path.parent if path.parent.name == "adapter" else path
                found.setdefault(str(where.relative_to(SOURCE)), set()).update(used)
    documented = {"gunicorn.app.base.BaseApplication", "gunicorn.glogging.Logger"}
    assert found == {"server/adapter": IMPORTED, "server/__init__.py": documented}


@pytest.mark.parametrize("which", BASES)
def test_these_are_all_attributes_of_the_processes(which: str) -> None:
    """What the adapter asks of Gunicorn's arbiter and worker is listed here, all of it."""
    _, ours, listed = BASES[which]
    node = class_in(ADAPTER, ours.__name__)
    asked = {one.split(".")[1] for one in attributes_of(node, "self")}
    overridden = {
        one.func.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Call)
        and isinstance(one.func, ast.Attribute)
        and ast.unparse(one.func.value) == "super()"
    }
    assert (asked - own_names(node)) | overridden == listed
    settings = {
        dotted(one).split(".")[2]
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute) and dotted(one).startswith("self.cfg.")
    }
    assert settings <= SETTINGS_READ


def test_these_are_all_attributes_of_a_worker_that_others_ask_for() -> None:
    """The arbiter and the hooks look at a worker's age, heartbeat, process and app."""
    asked = attributes_of(ADAPTER, "worker") | attributes_of(SERVER, "worker")
    assert asked - {"worker.tmp", "worker.wsgi.service", "worker.board"} == OF_A_WORKER


def test_these_are_all_attributes_of_messages_and_responses() -> None:
    """What the adapter asks of a parsed request and of a response is listed here, all of it."""
    asked = attributes_of(ADAPTER, "message", "reader", "response", "wsgi")
    inside = attributes_of(ADAPTER, "conn")
    prefix = "conn.head.message."
    asked |= {f"message.{one.removeprefix(prefix)}" for one in inside if one.startswith(prefix)}
    assert asked - OWN == MESSAGE | RESPONSE


@pytest.mark.parametrize("name", sorted(ARBITER))
def test_arbiter_has(name: str, arbiter: Arbiter) -> None:
    """Gunicorn's arbiter has this attribute."""
    assert hasattr(arbiter, name)
    if name in ("reap_workers", "manage_workers", "stop"):
        assert callable(getattr(GunicornArbiter, name))


def test_arbiter_calls_what_is_overridden() -> None:
    """Its main loop keeps the number of workers by `manage_workers`, and ends by `stop`."""
    assert "self.manage_workers()" in inspect.getsource(GunicornArbiter.run)
    assert list(inspect.signature(GunicornArbiter.stop).parameters) == ["self", "graceful"]
    assert "self.stop(" in inspect.getsource(GunicornArbiter.halt)


def test_arbiter_reloads_by_more_workers_than_wanted() -> None:
    """On SIGHUP it first starts new workers beside the old, then has them managed away."""
    source = inspect.getsource(GunicornArbiter.reload)
    assert 0 < source.index("self.spawn_worker()") < source.index("self.manage_workers()")


def test_arbiter_keeps_workers_by_process(arbiter: Arbiter) -> None:
    """`WORKERS` leads from a process to its worker, and ages are given in rising order."""
    assert arbiter.WORKERS == {}
    source = inspect.getsource(GunicornArbiter.spawn_worker)
    assert "self.WORKERS[pid] = worker" in source
    assert "self.worker_age += 1" in source


def test_arbiter_knows_how_many_workers_it_wants(arbiter: Arbiter) -> None:
    """`num_workers` is the setting."""
    assert arbiter.num_workers == 2


def test_arbiter_shares_its_listeners_with_nobody_at_first(arbiter: Arbiter) -> None:
    """The three attributes that say otherwise are false until systemd or USR2 set them."""
    assert not arbiter.systemd
    assert not arbiter.reexec_pid
    assert not arbiter.master_pid


@pytest.mark.parametrize("name", sorted(WORKER))
def test_worker_has(name: str, worker: Worker) -> None:
    """Gunicorn's worker has this attribute once its app is loaded."""
    worker.load_wsgi()
    assert hasattr(worker, name)


def test_worker_is_made_with_what_it_is_asked_for(worker: Worker, server: TopfiveServer) -> None:
    """Age, parent, sockets and settings are kept under these names; it is alive."""
    assert (worker.age, worker.ppid, worker.sockets) == (7, os.getppid(), ["a socket"])
    assert worker.alive is True
    assert worker.max_requests > 10**9
    assert (worker.cfg.graceful_timeout, worker.cfg.worker_connections) == (35, 1000)
    worker.load_wsgi()
    assert worker.wsgi == "the app"


def test_worker_is_told_to_end_by_alive(worker: Worker) -> None:
    """SIGTERM leads to `handle_exit`, which sets `alive` and nothing else."""
    GunicornWorker.handle_exit(worker, 15, None)
    assert worker.alive is False
    assert "SIGTERM, self.handle_exit" in inspect.getsource(GunicornWorker.init_signals)


def test_worker_is_woken_by_a_pipe() -> None:
    """Before `run` a signal's number is written to `PIPE`, whose first end can be polled."""
    source = inspect.getsource(GunicornWorker.init_process)
    assert source.index("self.PIPE = os.pipe()") < source.index("self.run()")
    wakes = inspect.getsource(GunicornWorker.init_signals)
    assert "signal.set_wakeup_fd(self.PIPE[1])" in wakes


def test_worker_gives_its_first_heartbeat_when_it_is_told_to(worker: Worker) -> None:
    """Until `notify` the heartbeat is the wall clock's, from then on the monotonic clock's."""
    before = worker.tmp.last_update()
    worker.notify()
    after = worker.tmp.last_update()
    assert after <= time.monotonic() < before
    assert "notify" not in inspect.getsource(GunicornWorker.init_process)


def test_settings_exist() -> None:
    """Every option that is set is one of Gunicorn's, by its documented name."""
    sizing = Sizing(workers=2, slots=1, queue=1, decoding_bytes=10**9, reason="a test")
    known = {one.name for one in KNOWN_SETTINGS}
    assert set(gunicorn_options(parse_settings({}), sizing)) <= known
    assert known >= SETTINGS_READ


def parse(data: bytes) -> Request:
    """Parse bytes as the adapter does."""
    return Request(Config(), BodyReader(data), ("127.0.0.1", 1))


def test_request_is_made_of_settings_a_reader_and_a_client() -> None:
    """Its signature is the one that the adapter calls."""
    assert list(inspect.signature(Request).parameters) == [
        "cfg", "unreader", "peer_addr", "req_number",
    ]  # fmt: skip


def test_request_reads_by_chunk_alone() -> None:
    """A reader needs `chunk`, with a hint of its size, and keeps what is unread."""
    assert list(inspect.signature(Unreader.__init__).parameters) == ["self"]
    assert list(inspect.signature(Unreader.chunk).parameters) == ["self", "size_hint"]
    reader = BodyReader(b"abc")
    assert reader.read() == b"abc"
    reader.unread(b"bc")
    reader.unread(b"a")
    assert (reader.read(2), reader.take_buffered(), reader.read()) == (b"ab", b"c", b"")


def test_request_has_the_parts_of_a_head() -> None:
    """Method and path as they came, names of headers in capitals, in their order."""
    message = parse(
        b"GET /a%20b?c HTTP/1.1\r\nhost: x\r\noRiGiN: y\r\nExpect: 100-continue\r\n\r\n"
    )
    assert (message.method, message.path) == ("GET", "/a%20b")
    assert message.headers == [("HOST", "x"), ("ORIGIN", "y"), ("EXPECT", "100-continue")]
    assert message._expected_100_continue is True
    assert parse(b"GET / HTTP/1.1\r\n\r\n")._expected_100_continue is False


def test_request_unreads_what_is_behind_its_head() -> None:
    """The body is read from the same reader, the bytes behind the head first."""
    message = parse(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc")
    assert message.unreader.read() == b"abc"


def test_a_known_length_is_read_by_a_reader_that_counts_it_down() -> None:
    """`length` is what is still to be read."""
    message = parse(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcdefg")
    assert isinstance(message.body.reader, LengthReader)
    assert message.body.reader.length == 5
    assert message.body.reader.read(1) == b"a"
    assert message.body.reader.unreader.buf.tell() == len(b"bcdefg")
    assert message.body.read() == b"bcde"
    assert message.body.reader.length == 0
    assert message.unreader.take_buffered() == b"fg"


def test_no_body_is_a_length_of_zero() -> None:
    """A request that announces no body has a reader that reads nothing."""
    assert parse(b"GET / HTTP/1.1\r\n\r\n").body.reader.length == 0


def test_chunks_are_read_by_a_reader_whose_parser_ends() -> None:
    """`parser` is None once the last chunk was read, and what is behind it is left."""
    message = parse(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nnext"
    )
    assert isinstance(message.body.reader, ChunkedReader)
    assert isinstance(message.body.reader.parser, GeneratorType)
    assert message.body.reader.read(1) == b"a"
    assert message.body.reader.buf.tell() == len(b"b")
    assert message.body.read() == b"b"
    assert message.body.reader.parser is None
    assert message.unreader.take_buffered() == b"next"


def test_errors_are_of_three_kinds() -> None:
    """What is not HTTP, what has an end too early, and nothing at all."""
    assert issubclass(InvalidHeader, ParseException)
    assert issubclass(LimitRequestLine, ParseException)
    assert issubclass(NoMoreData, OSError)
    assert not issubclass(ParseException, OSError | ValueError)
    for data, error in [
        (b"nonsense\r\n\r\n", ParseException),
        (b"GET / HTTP/1.1\r\n", NoMoreData),
        (b"", StopIteration),
    ]:
        with pytest.raises(error):
            parse(data)


def test_errors_of_the_app_look_like_errors_of_the_client() -> None:
    """A header that an app must not send raises what a broken request does, and is told apart."""
    assert issubclass(InvalidResponseHeader, ParseException)
    assert issubclass(InvalidResponseHeaderName, ParseException)


class Sink:
    """A socket that can do nothing but `sendall`."""

    def __init__(self) -> None:
        self.sent = b""

    def sendall(self, data: bytes) -> None:
        """Keep what is sent."""
        self.sent += data


def answer(head: bytes = b"GET / HTTP/1.1\r\n\r\n", sink: Any = None) -> tuple[Any, dict[str, Any]]:
    """Make a response and an environment as the adapter does."""
    return wsgi.create(parse(head), sink or Sink(), ("127.0.0.1", 5), ("127.0.0.1", 80), Config())


def test_create_is_called_so() -> None:
    """Its signature begins with the five that the adapter gives."""
    given = list(inspect.signature(wsgi.create).parameters)[:5]
    assert given == ["req", "sock", "client", "server", "cfg"]


def test_create_does_not_touch_the_socket() -> None:
    """Unless a client waits for `100 Continue`, which the adapter sees to itself."""
    _, environ = answer(sink=object())
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    with pytest.raises(AttributeError):
        answer(b"GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", sink=object())


def test_create_gives_an_environment_that_can_be_changed() -> None:
    """What the adapter replaces is there under its name."""
    _, environ = answer()
    assert "wsgi.input" in environ
    assert environ["wsgi.multithread"] is False
    assert environ["wsgi.input_terminated"] is True


def test_response_sends_by_sendall_alone() -> None:
    """Head with the first piece, then pieces, then the end of the chunks."""
    sink = Sink()
    response, _ = answer(sink=sink)
    response.start_response("200 OK", [])
    assert (response.status_code, sink.sent) == (200, b"")
    response.write(b"ab")
    response.close()
    assert sink.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert sink.sent.endswith(b"\r\n\r\n2\r\nab\r\n0\r\n\r\n")


@pytest.mark.parametrize("is_forced", [True, False])
def test_response_says_whether_it_closes(is_forced: bool) -> None:
    """`force_close` before the head is sent decides the header and `should_close`."""
    sink = Sink()
    response, _ = answer(sink=sink)
    if is_forced:
        response.force_close()
    response.start_response("200 OK", [("Content-Length", "0")])
    response.close()
    assert response.should_close() is is_forced
    expected = b"Connection: close" if is_forced else b"Connection: keep-alive"
    assert expected in sink.sent
