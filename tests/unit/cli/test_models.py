"""`topfive models`, as typed, against a real HTTP server with a test's orders."""

import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from tests.unit.fake_orders import FIRST, FakeOrders
from topfive.api import App, create_app
from topfive.cli import commands
from topfive.cli.models import client
from topfive.cli.models.options import open_client
from topfive.errors import ModelBusy, ModelRefused, OperatorError
from topfive.models import RouteView, ShadowView, TargetView, WorkerView
from topfive.settings import parse_settings

Run = Callable[..., Result]
KEY = "an admin's key"


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve a WSGI app on a free port; yields its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def open_app(keys: str = "") -> App:
    """Make an app with the embedded model."""
    return create_app(parse_settings({"TOPFIVE_MODEL": "digits", "TOPFIVE_API_KEYS": keys}))


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[App, str]]:
    """A service without keys, and its address."""
    app = open_app()
    with serving(app) as url:
        yield app, url
    app.service.close()


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """The address of a service that asks for keys."""
    scopes = {KEY: "admin+predict", "a reader's key": "predict"}
    digests = {one: hashlib.sha256(one.encode()).hexdigest() for one in scopes}
    app = open_app(",".join(f"{digests[one]}:{scope}" for one, scope in scopes.items()))
    app.service.take_orders_with(FakeOrders())
    with serving(app) as url:
        yield url
    app.service.close()


@pytest.fixture
def orders(service: tuple[App, str]) -> FakeOrders:
    """The orders that the service without keys takes."""
    made = FakeOrders()
    service[0].service.take_orders_with(made)
    return made


@pytest.fixture
def run(
    service: tuple[App, str], orders: FakeOrders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Runs `topfive models ...` at the service, or with `url` elsewhere."""
    monkeypatch.chdir(tmp_path)

    def run_command(*typed: str, url: str = service[1], **variables: str) -> Result:
        environment = {"COLUMNS": "160", **variables}
        return CliRunner().invoke(commands, ["models", *typed, "--url", url], env=environment)

    return run_command


def message(found: Result) -> str:
    """What the command ends with; it must be an error for the operator, not a traceback."""
    assert isinstance(found.exception, OperatorError), found
    return str(found.exception)


def test_list_shows_models_and_routes(run: Run, orders: FakeOrders) -> None:
    """One table of models with the active one marked, one of routes with shares."""
    orders.routes["default"] = RouteView(
        (TargetView("flowers", "1", 3), TargetView("flowers", None, 1)), ShadowView("flowers", "2")
    )
    found = run("list")
    assert found.exit_code == 0
    for row in (
        ["flowers", "2", "available"],
        ["flowers", "1 (active, pinned)", "ready", "default", "57 MB", "openvino f32"],
        ["default", "flowers@1", "75.0%"],
        ["default", "flowers (active)", "25.0%"],
        ["default", "flowers@2", "shadow"],
    ):
        assert row in cells(found.output)
    assert "followed" not in found.output


def cells(output: str) -> list[list[str]]:
    """List the cells of the rows of the tables in an output, without empty ones."""
    rows = [line.strip("│┃ ").replace("┃", "│").split("│") for line in output.splitlines()]
    return [[cell.strip() for cell in row if cell.strip()] for row in rows]


def test_list_tells_where_workers_disagree(run: Run, orders: FakeOrders) -> None:
    """Each worker has a row with its reason, and the last line says that some still follow."""
    workers = (WorkerView(1, "ready"), WorkerView(2, "failed", "[red]\x1b[2Jno memory"))
    orders.models = [replace(FIRST, state="loading", workers=workers)]
    orders.is_settled = False
    found = run("list")
    assert ["worker 1", "ready"] in cells(found.output)
    assert ["worker 2", "failed", "[red]\\x1b[2Jno memory"] in cells(found.output)
    assert found.output.endswith("Not every worker has followed generation 7 yet.\n")


def test_list_as_json_is_the_api_s_answer(run: Run) -> None:
    """--json prints what GET /models answers."""
    found = json.loads(run("list", "--json").output)
    assert list(found) == ["generation", "settled", "models", "routes"]


@pytest.mark.parametrize(
    ("typed", "ordered", "told"),
    [
        ("load flowers@2", ("load", "flowers", "2", 120), "flowers@2 is ready in every worker."),
        ("load flowers", ("load", "flowers", "2", 120), "flowers@2 is ready in every worker."),
        ("load flowers@2 --wait-s 7", ("load", "flowers", "2", 7), "flowers@2 is ready"),
        ("activate flowers@1", ("activate", "flowers", "1", 120), "flowers@1 is active"),
        ("activate flowers", ("activate", "flowers", "2", 120), "flowers@2 is active"),
        ("unload flowers@1", ("unload", "flowers", "1", 120), "flowers@1 is unloaded"),
        (
            f"activate flowers@sha256:{'a' * 64}",
            ("activate", "flowers", f"sha256:{'a' * 64}", 120),
            f"flowers@sha256:{'a' * 64} is active",
        ),
    ],
)
def test_an_order_is_given_and_told(
    run: Run, orders: FakeOrders, typed: str, ordered: tuple[Any, ...], told: str
) -> None:
    """The order arrives as typed; without a version it is for the latest."""
    found = run(*typed.split())
    assert (found.exit_code, orders.ordered) == (0, [ordered])
    assert found.stdout.startswith(told)


def test_an_order_as_json_is_the_api_s_answer(run: Run) -> None:
    """--json prints the answer, and nothing else on standard output."""
    found = json.loads(run("activate", "flowers@2", "--json").stdout)
    assert (found["generation"], found["settled"]) == (8, True)
    assert found["model"]["active"] is True


def test_an_order_need_not_be_waited_for(run: Run, orders: FakeOrders) -> None:
    """With --wait-s 0 it says where to look, and is done."""
    orders.is_settled = False
    found = run("load", "flowers@2", "--wait-s", "0")
    assert found.exit_code == 0
    assert found.stdout == (
        "Ordered (generation 8). `topfive models list` shows how far the workers are.\n"
    )


def test_an_order_that_is_not_followed_in_time_is_no_success(run: Run, orders: FakeOrders) -> None:
    """The command fails: a script must not go on as if the version served."""
    orders.is_settled = False
    assert "not every worker has followed it yet" in message(run("activate", "flowers@2"))


@pytest.mark.parametrize(
    ("typed", "route"),
    [
        (
            "flowers@1:90 flowers@2:10",
            RouteView((TargetView("flowers", "1", 90), TargetView("flowers", "2", 10))),
        ),
        (
            "flowers flowers@2:shadow",
            RouteView((TargetView("flowers", None, 100),), ShadowView("flowers", "2")),
        ),
        (
            "flowers@sha256:aaaaaaaaaaaa:1 flowers:0",
            RouteView(
                (TargetView("flowers", "sha256:aaaaaaaaaaaa", 1), TargetView("flowers", None, 0))
            ),
        ),
    ],
)
def test_a_route_is_set_and_shown(
    run: Run, orders: FakeOrders, typed: str, route: RouteView
) -> None:
    """Targets, weights and the shadow arrive as typed, and the new route is shown."""
    found = run("route", "default", *typed.split())
    assert (found.exit_code, orders.ordered) == (0, [("set_route", "default", route, 120)])
    assert "The route default is followed by every worker." in found.stdout
    assert "share" in found.stdout


def test_a_route_is_shown(run: Run, orders: FakeOrders) -> None:
    """Without targets nothing is ordered: the route is shown as it is."""
    assert ["default", "flowers (active)", "100.0%"] in cells(run("route", "default").output)
    assert json.loads(run("route", "default", "--json").output)["targets"][0]["weight"] == 100
    assert orders.ordered == []
    assert message(run("route", "beta")) == "There is no route 'beta'. Known are: default."


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("load ../flowers", "'../flowers': a name has small letters"),
        ("load Flowers", "'Flowers': a name has small letters"),
        ("load flowers@", "'flowers@': a version has small letters"),
        ("load flowers@sha256:12", "`sha256:` and at least 12 digits"),
        ("unload flowers", "say which version: flowers@VERSION."),
        ("load flowers --wait-s 301", "301 is not in the range 0<=x<=300"),
        ("route a/b flowers", "'a/b' is no alias"),
        ("route default flowers@1:half", "'flowers@1:half' is no target"),
        ("route default flowers@1:1000001", "a weight is at most 1000000"),
        ("route default flowers@1:9 flowers@2", "each needs its weight"),
        ("route default flowers:shadow", "a shadow alone answers nobody"),
        ("route default flowers a:shadow b:shadow", "at most one shadow"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(
    run: Run, orders: FakeOrders, typed: str, told: str
) -> None:
    """Exit code 2, as for all wrong usage; nothing reaches the service."""
    found = run(*typed.split())
    assert (found.exit_code, orders.ordered) == (2, [])
    assert told in " ".join(found.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    "url", ["localhost:5000", "ftp://host", "http://", "http://a b", "http://h:x"]
)
def test_what_is_no_address_is_wrong_usage(run: Run, url: str) -> None:
    """--url is a whole http or https address."""
    found = run("list", url=url)
    assert found.exit_code == 2
    assert "is no address: write http://HOST:PORT." in found.stderr


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (ModelBusy("A route leads to flowers 2."), "A route leads to flowers 2. (model_busy)"),
        (
            ModelRefused("model.bin does not match its hash. flowers@1 goes on serving."),
            "model.bin does not match its hash. flowers@1 goes on serving. (model_refused)",
        ),
    ],
)
def test_a_refused_order_says_why(run: Run, orders: FakeOrders, failure: Any, told: str) -> None:
    """What the service says stands there, with its word."""
    orders.failure = failure
    assert message(run("activate", "flowers@2")) == told


def test_an_unknown_model_is_told(run: Run) -> None:
    """The service's own hint at what is near is passed on."""
    assert message(run("load", "flower")).startswith(
        "No model of that name is known here. Did you mean flowers?"
    )


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("", "The service asks for an API key. Give one with the scope 'admin' as TOPFIVE_API_KEY"),
        ("a guess", "The service does not know the API key that was given. Give one"),
        ("a reader's key", "This API key does not have the scope 'admin'. (forbidden)"),
    ],
)
def test_a_key_that_does_not_allow_it_is_told(run: Run, guarded: str, key: str, told: str) -> None:
    """No key, a wrong one and one without the scope are three different messages."""
    text = message(run("load", "flowers@2", url=guarded, TOPFIVE_API_KEY=key))
    assert text.startswith(told)
    assert not key or key not in text


def test_a_key_comes_from_the_environment_a_file_or_the_command_line(
    run: Run, guarded: str, tmp_path: Path
) -> None:
    """--key wins over TOPFIVE_API_KEY, which may stand in .env."""
    assert run("load", "flowers@2", url=guarded, TOPFIVE_API_KEY=KEY).exit_code == 0
    assert run("load", "flowers@2", "--key", KEY, url=guarded, TOPFIVE_API_KEY="x").exit_code == 0
    (tmp_path / ".env").write_text(f'TOPFIVE_API_KEY="{KEY}"\n')
    assert run("load", "flowers@2", url=guarded).exit_code == 0


def test_a_service_that_is_not_there_is_told(run: Run) -> None:
    """Nothing listens: the message says so, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    assert message(run("list", url=url)) == (
        f"Nothing listens at {url}. Start the service with `topfive serve`, or name its address "
        "with --url."
    )


def test_a_name_that_nobody_knows_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is not found is told with the address."""

    def unknown(*_given: Any, **_named: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    text = message(run("list", url="http://nowhere.invalid"))
    assert text.startswith("http://nowhere.invalid cannot be reached: Name or service not known.")


def test_a_service_that_does_not_answer_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is bounded, and the order may have arrived all the same."""
    monkeypatch.setattr(client, "_ANSWER_WITHIN_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        text = message(run("load", "flowers@2", "--wait-s", "0", url=url))
    assert text.startswith(f"{url} did not answer within 0.1 s. An order may have arrived")


class _Stranger(BaseHTTPRequestHandler):
    """Answers as something else than topfive does; notes the keys that it was sent."""

    keys: list[str] = []  # noqa: RUF012 - a test reads it

    def do_GET(self) -> None:
        """Answer what the path asks for."""
        self.keys.append(self.headers.get("Authorization", ""))
        answer = {
            "/page/models": (200, b"<html>"),
            "/json/models": (200, b'{"ok": true}'),
            "/list/models": (200, b"[]"),
            "/bad/models": (502, b"<html>Bad gateway</html>"),
            "/moved/models": (302, b""),
            "/old/models": (404, b'{"code": "not_found", "detail": "Nothing."}'),
        }[self.path]
        self.send_response(answer[0])
        self.send_header("Location", "/list/models")
        self.send_header("Content-Length", str(len(answer[1])))
        self.end_headers()
        self.wfile.write(answer[1])

    def log_message(self, *_given: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def stranger() -> Iterator[str]:
    """The address of a server that is not topfive."""
    server = HTTPServer(("127.0.0.1", 0), _Stranger)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("page", "no topfive service, or something before it (status 200)"),
        ("json", "no topfive service, or something before it (status 200)"),
        ("list", "no topfive service, or something before it (status 200)"),
        ("bad", "no topfive service, or something before it (status 502)"),
        ("moved", "no topfive service, or something before it (status 302)"),
        ("old", "has no models to order: it is older."),
    ],
)
def test_what_is_no_topfive_is_told(run: Run, stranger: str, where: str, told: str) -> None:
    """Pages, other JSON and gateways' errors are told as such, and no redirect is followed."""
    before = len(_Stranger.keys)
    assert told in message(run("list", "--key", "secret", url=f"{stranger}/{where}"))
    assert _Stranger.keys[before:] == ["Bearer secret"]


def test_the_service_of_this_machine_is_meant_by_default(
    service: tuple[App, str], orders: FakeOrders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without --url it is 127.0.0.1 and TOPFIVE_PORT, asked directly whatever proxy is set."""
    monkeypatch.chdir(tmp_path)
    port = service[1].rpartition(":")[2]
    variables = {
        "TOPFIVE_PORT": port,
        "TOPFIVE_MODEL": "/no/such",
        "http_proxy": "http://x.invalid",
    }
    found = CliRunner().invoke(commands, ["models", "load", "flowers@2"], env=variables)
    assert (found.exit_code, len(orders.ordered)) == (0, 1)


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "http://127.0.0.1:5000"),
        ({"TOPFIVE_HOST": "::"}, "http://127.0.0.1:5000"),
        ({"TOPFIVE_HOST": "::1", "TOPFIVE_PORT": "81"}, "http://[::1]:81"),
        ({"TOPFIVE_HOST": "192.0.2.7"}, "http://192.0.2.7:5000"),
    ],
)
def test_the_default_address_is_where_settings_have_it_listen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], url: str
) -> None:
    """A service that listens everywhere is asked on this machine."""
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "TOPFIVE_HOST", "TOPFIVE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert open_client(None, None).url == url
    monkeypatch.setenv("TOPFIVE_PORT", "0")
    with pytest.raises(OperatorError, match="Name the service with --url"):
        open_client(None, None)
