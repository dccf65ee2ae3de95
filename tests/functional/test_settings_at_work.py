"""Settings do what they say, on a real server."""

import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import run

from tests.live_server import run_server, server_environment
from tests.pictures import draw, encode, jpeg


def test_all_bad_settings_are_named_at_once(tmp_path: Path) -> None:
    """A start with wrong settings fails plainly and names every one of them."""
    settings = {"TOPFIVE_PORT": "99999", "TOPFIVE_MODLE": "x", "TOPFIVE_ENGINE": "steam"}
    done = run(
        [sys.executable, "-m", "topfive", "serve"],
        cwd=tmp_path,
        env=server_environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert all(name in done.stderr for name in settings)
    assert "Traceback" not in done.stderr


def test_rate_limit_is_exact_across_workers(tiny_folder: Path, tmp_path: Path) -> None:
    """However many workers count, a client gets its quota and no more, and is told so."""
    with run_server(
        tmp_path, model=str(tiny_folder), rate_limit="20/minute", workers="3", slots="1"
    ) as server:
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: server.upload(jpeg()), range(30)))
        allowed = [one for one in answers if one.status == 200]
        refused = [one for one in answers if one.status == 429]
        assert (len(allowed), len(refused)) == (20, 10)
        assert {one.code for one in refused} == {"rate_limited"}
        assert all(1 <= int(one.headers["Retry-After"]) <= 60 for one in refused)
        assert {one.headers["RateLimit-Limit"] for one in answers} == {"20"}
        assert {one.headers["RateLimit-Remaining"] for one in refused} == {"0"}
        assert server.get("/health").status == 200


def test_forwarded_addresses_count_only_behind_a_trusted_proxy(
    tiny_folder: Path, tmp_path: Path
) -> None:
    """A client cannot escape its quota by inventing addresses."""
    spoofed = [{"X-Forwarded-For": f"10.0.0.{number}"} for number in range(4)]
    with run_server(tmp_path, model=str(tiny_folder), rate_limit="2/minute") as server:
        statuses = [server.upload(jpeg(), headers=one).status for one in spoofed]
        assert statuses == [200, 200, 429, 429]
    with run_server(
        tmp_path, model=str(tiny_folder), rate_limit="2/minute", trusted_proxies="1"
    ) as server:
        statuses = [server.upload(jpeg(), headers=one).status for one in spoofed]
        assert statuses == [200] * 4
        invented = [{"X-Forwarded-For": f"10.9.9.{number}, 10.0.0.9"} for number in range(3)]
        statuses = [server.upload(jpeg(), headers=one).status for one in invented]
        assert statuses == [200, 200, 429]


def test_api_keys(tiny_folder: Path, tmp_path: Path) -> None:
    """With keys set, missing and wrong ones look alike, and scopes are kept."""
    digests = {key: hashlib.sha256(key.encode()).hexdigest() for key in ("good", "admin", "late")}
    key_file = tmp_path / "keys"
    key_file.write_text("# nobody yet\n")
    with run_server(
        tmp_path,
        model=str(tiny_folder),
        api_keys=f"{digests['good']},{digests['admin']}:admin",
        api_keys_file=str(key_file),
    ) as server:

        def status_with(**headers: str) -> tuple[int, str]:
            answer = server.upload(
                jpeg(), headers={k.replace("_", "-"): v for k, v in headers.items()}
            )
            return answer.status, answer.code if answer.status != 200 else ""

        assert status_with(Authorization="Bearer good") == (200, "")
        assert status_with(X_API_Key="good") == (200, "")
        assert status_with() == status_with(X_API_Key="wrong") == (401, "unauthorized")
        assert status_with(X_API_Key="admin") == (403, "forbidden")
        assert status_with(X_API_Key="late") == (401, "unauthorized")
        key_file.write_text(f"{digests['late']}:predict  # new\n")
        assert status_with(X_API_Key="late") == (200, "")
        assert server.get("/health").status == 200
        assert not any("good" in line for line in server.lines)


def test_full_queue_is_told_truthfully(tiny_folder: Path, tmp_path: Path) -> None:
    """With every queue slot taken, more are told 503 with a time to come back, and nobody hangs."""
    slow = _large_picture()
    with run_server(tmp_path, model=str(tiny_folder), workers="1", slots="1", queue="0") as server:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: server.upload(slow), range(16)))
        statuses = {one.status for one in answers}
        refused = [one for one in answers if one.status == 503]
        assert statuses == {200, 503}
        assert {one.code for one in refused} == {"overloaded"}
        assert all(int(one.headers["Retry-After"]) >= 1 for one in refused)


def test_deadline_is_kept(tiny_folder: Path, tmp_path: Path) -> None:
    """Work that cannot begin in time is not begun."""
    slow = _large_picture()
    with run_server(
        tmp_path, model=str(tiny_folder), workers="1", slots="1", request_timeout_s="0.3"
    ) as server:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: server.upload(slow), range(8)))
        late = [one for one in answers if one.status == 504]
        assert {one.status for one in answers} <= {200, 504}
        assert late
        assert {one.code for one in late} == {"deadline_exceeded"}


def test_pages_of_allowed_origins_may_call(tiny_folder: Path, tmp_path: Path) -> None:
    """CORS headers go to the origins that are allowed, and to no other."""
    with run_server(
        tmp_path, model=str(tiny_folder), cors_origins="https://a.example, https://b.example"
    ) as server:
        allowed = server.get("/health", Origin="https://b.example")
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://b.example"
        other = server.get("/health", Origin="https://evil.example")
        assert other.headers["Access-Control-Allow-Origin"] is None


def _large_picture() -> bytes:
    """Make a picture that takes long to decode and hardly any time to draw."""
    return encode(draw(300, 300).resize((3000, 3000)), "PNG", compress_level=1)
