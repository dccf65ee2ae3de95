"""Requests and forms that parsers were fuzzed with: refused, and never a failure of ours."""

import re
from pathlib import Path

from tests.functional.wire import exchange, unescape
from tests.live_server import LiveServer
from tests.pictures import jpeg
from topfive.errors import FAILURES


def statuses(answered: bytes) -> list[int]:
    """List the status of every response in what was answered."""
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answered)]


def test_fuzzed_forms_are_refused(target: LiveServer, hostile: Path) -> None:
    """Every body posted as a form is refused as what is wrong with it, and none breaks anything."""
    bodies = sorted(path for path in (hostile / "http").glob("*-multipart/*") if path.is_file())
    assert len(bodies) > 100
    for path in bodies:
        body = path.read_bytes()
        boundary = re.match(rb"--([\x21-\x7e]{1,100})[ \t]*\r?\n", body)
        name = boundary[1].decode() if boundary else "boundary"
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        content_type = f'multipart/form-data; boundary="{quoted}"'
        answer = target.request("POST", "/predict", body, {"Content-Type": content_type})
        assert 400 <= answer.status < 500, path.name
        assert FAILURES[answer.code].status == answer.status, path.name


def test_broken_requests_get_no_server_error(target: LiveServer, hostile: Path) -> None:
    """Every request that is not HTTP is dropped or refused, and the next client is served."""
    requests = sorted((hostile / "http" / "gunicorn-invalid").iterdir())
    assert len(requests) > 50
    for path in requests:
        answered = exchange(target, unescape(path.read_bytes()))
        assert all(status < 500 for status in statuses(answered)), (path.name, answered[:200])
        assert b"Traceback" not in answered
        assert target.get("/livez").status == 200
    assert target.upload(jpeg()).status == 200
