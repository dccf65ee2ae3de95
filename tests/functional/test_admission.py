"""Who may come in, how often and for how long."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.wire import ask, head
from tests.live_server import LiveServer, run_server
from tests.pictures import jpeg

PREDICT_KEY, ADMIN_KEY, BOTH_KEY, FILE_KEY = "key-p", "key-a", "kéy-b", "key-f"
ORIGIN = "https://app.example"


def digest(key: str) -> str:
    """Make the entry by which the service knows a key."""
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty file of API keys."""
    path = tmp_path_factory.mktemp("keys") / "keys.txt"
    path.write_text("# nobody yet\n")
    return path


@pytest.fixture(scope="module")
def locked_server(
    tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory, key_file: Path
) -> Iterator[LiveServer]:
    """A service that asks for API keys, and lets pages of one origin in."""
    keys = f"{digest(PREDICT_KEY)}, {digest(ADMIN_KEY)}:admin,{digest(BOTH_KEY)}:predict+admin"
    with run_server(
        tmp_path_factory.mktemp("locked"),
        model=str(tiny_folder),
        workers="1",
        api_keys=keys,
        api_keys_file=str(key_file),
        cors_origins=ORIGIN,
    ) as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {PREDICT_KEY}"},
        {"Authorization": f"bearer  {PREDICT_KEY} "},
        {"X-API-Key": PREDICT_KEY},
        {"X-API-Key": BOTH_KEY.encode().decode("latin-1")},
    ],
)
def test_right_key_is_let_in(locked_server: LiveServer, headers: dict[str, str]) -> None:
    """A key with the scope `predict` works in either header."""
    assert locked_server.upload(jpeg(), headers=headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {PREDICT_KEY}"},
        {"Authorization": PREDICT_KEY},
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"X-API-Key": digest(PREDICT_KEY)},
        {"X-API-Key": "\xff" * 100},
        {"Cookie": f"api_key={PREDICT_KEY}"},
    ],
    ids=str,
)
def test_missing_and_wrong_key_are_alike(
    locked_server: LiveServer, headers: dict[str, str]
) -> None:
    """Whoever has no key learns no more than whoever has a wrong one."""
    answer = locked_server.upload(jpeg(), headers={**headers, "X-Request-ID": "same"})
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.body == locked_server.upload(jpeg(), headers={"X-Request-ID": "same"}).body


def test_key_without_the_scope_is_forbidden(locked_server: LiveServer) -> None:
    """A key that is for something else is known, but not let in."""
    answer = locked_server.upload(jpeg(), headers={"X-API-Key": ADMIN_KEY})
    assert (answer.status, answer.code) == (403, "forbidden")


def test_key_is_asked_for_before_the_picture_is_read(locked_server: LiveServer) -> None:
    """Without a key not even a broken upload is looked at."""
    answer = locked_server.request("POST", "/predict", b"junk", {"Content-Type": "text/plain"})
    assert (answer.status, answer.code) == (401, "unauthorized")


@pytest.mark.parametrize("path", ["/", "/health", "/livez", "/readyz", "/info", "/openapi.json"])
def test_reading_needs_no_key(locked_server: LiveServer, path: str) -> None:
    """Health, description and documentation are open to everyone."""
    assert locked_server.get(path).status == 200


def test_key_file_is_read_again(locked_server: LiveServer, key_file: Path) -> None:
    """A key added to the file works at once, also while the file is broken, until it is removed."""
    as_owner = {"X-API-Key": FILE_KEY}
    assert locked_server.upload(jpeg(), headers=as_owner).status == 401
    key_file.write_text(f"{digest(FILE_KEY)}:predict  # someone new\n")
    assert locked_server.upload(jpeg(), headers=as_owner).status == 200
    key_file.write_text("this is not a digest\n")
    assert locked_server.upload(jpeg(), headers=as_owner).status == 200
    key_file.write_text("\n")
    assert locked_server.upload(jpeg(), headers=as_owner).status == 401
    assert locked_server.upload(jpeg(), headers={"X-API-Key": PREDICT_KEY}).status == 200


def test_page_of_the_origin_may_call(locked_server: LiveServer) -> None:
    """A browser's preflight needs no key, and failures too can be read by the page."""
    asking = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key",
    }
    preflight = locked_server.request("OPTIONS", "/predict", headers=asking)
    assert preflight.status == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "x-api-key" in preflight.headers["Access-Control-Allow-Headers"].lower()
    refused = locked_server.upload(jpeg(), headers={"Origin": ORIGIN})
    assert refused.status == 401
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = refused.headers["Access-Control-Expose-Headers"]
    for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"):
        assert name in exposed


def test_page_of_another_origin_may_not_call(locked_server: LiveServer, server: LiveServer) -> None:
    """Pages of origins that are not named get no permission, nor anyone where none are named."""
    for each in (locked_server, server):
        answer = each.get("/health", Origin="https://other.example")
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_keys_are_not_logged(locked_server: LiveServer) -> None:
    """The log holds neither a key nor a digest of one."""
    for key in (PREDICT_KEY, "wrong-key-in-the-log"):
        locked_server.upload(jpeg(), headers={"Authorization": f"Bearer {key}"})
    log = "\n".join(locked_server.lines)
    assert '"route": "/predict"' in log
    for secret in (PREDICT_KEY, "wrong-key-in-the-log", digest(PREDICT_KEY)):
        assert secret not in log


def test_fourth_of_three_a_minute_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    """Answers count down the quota, the fourth is told when to come again, and health is free."""
    with run_server(tmp_path, model=str(tiny_folder), workers="1", rate_limit="3/minute") as server:
        admitted = [server.upload(jpeg()) for _ in range(3)]
        assert [one.status for one in admitted] == [200] * 3
        assert [one.headers["RateLimit-Remaining"] for one in admitted] == ["2", "1", "0"]
        refused = server.upload(jpeg())
        assert (refused.status, refused.code) == (429, "rate_limited")
        assert 1 <= int(refused.headers["RateLimit-Reset"]) <= 60
        assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
        for path in ("/health", "/livez", "/readyz", "/info", "/"):
            assert [server.get(path).status for _ in range(5)] == [200] * 5
        assert server.get("/info").json["limits"]["rate_limit"] == "3/minute"


def test_expired_work_is_not_begun(tiny_folder: Path, tmp_path: Path) -> None:
    """A request whose time is up gets 504, and its picture is never decoded."""
    with run_server(
        tmp_path, model=str(tiny_folder), workers="1", request_timeout_s="0.000001"
    ) as server:
        picture = jpeg()
        told = {"Content_Type": "image/jpeg", "Content_Length": str(len(picture))}
        # In one piece, so that it is whole when its time is looked at.
        answer = ask(server, head("POST", "/predict", **told) + picture)
        assert (answer.status, answer.code) == (504, "deadline_exceeded")
        assert server.get("/health").status == 200
    (line,) = [one for one in server.events("request") if one["route"] == "/predict"]
    assert "decode_ms" not in line
