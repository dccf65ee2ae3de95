"""Whatever is sent, the answer is a problem with the right code, and the service goes on."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.functional.wire import ask, chunked, exchange, head
from tests.live_server import BOUNDARY, Answer, LiveServer, form, form_of
from tests.pictures import forged_png, jpeg

TOO_MANY_BYTES = 11 * 1024 * 1024
FORM = f"multipart/form-data; boundary={BOUNDARY}"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"


@pytest.fixture(autouse=True)
def service_goes_on(server: LiveServer) -> Iterator[None]:
    """Fail a test after which a worker is another one, or the next picture is not classified."""
    before = server.worker_pids()
    yield
    for _ in range(3):
        assert server.upload(jpeg()).status == 200
    assert server.worker_pids() == before


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 400, "empty_file"),
        (b"\n", 400, "unsupported_format"),
        (b"this is no picture\n" * 50, 400, "unsupported_format"),
        (SVG, 400, "unsupported_format"),
        (PDF, 400, "unsupported_format"),
        (b"PK\x03\x04" + bytes(200), 400, "unsupported_format"),
        (b"GIF89a", 400, "invalid_image"),
        (b"\xff\xd8\xff", 400, "invalid_image"),
        (b"\xff\xd8\xff\xe0" + bytes(500), 400, "invalid_image"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", 400, "invalid_image"),
        (b"II*\0\xff\xff\xff\xff", 400, "invalid_image"),
        (b"BM" + bytes(60), 400, "invalid_image"),
        (forged_png(30_000, 30_000), 413, "image_too_large"),
        (forged_png(0, 0), 400, "invalid_image"),
        (forged_png(2**31 - 1, 1), 413, "image_too_large"),
        (forged_png(64, 64), 400, "invalid_image"),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else str(value),
)
@pytest.mark.parametrize("is_form", [True, False], ids=["form", "raw"])
def test_bad_file_is_refused(
    server: LiveServer, data: bytes, status: int, code: str, is_form: bool
) -> None:
    """Bytes that are no picture get the code that says why, in a form or alone."""
    if is_form:
        answer = server.upload(data, filename="photo.jpg")
    else:
        answer = server.request("POST", "/predict", data, {"Content-Type": "image/jpeg"})
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_truncated_jpeg_is_invalid(server: LiveServer, share: float) -> None:
    """A JPEG of which only the beginning arrived is not classified."""
    whole = jpeg(400, 300)
    answer = server.upload(whole[: int(len(whole) * share)])
    assert (answer.status, answer.code) == (400, "invalid_image")


@pytest.mark.parametrize("content_type", [None, FORM])
def test_request_without_a_body_lacks_the_file(
    server: LiveServer, content_type: str | None
) -> None:
    """A POST with nothing in it is told that the file is missing and how to send one."""
    headers = {"Content-Type": content_type} if content_type else {}
    answer = server.request("POST", "/predict", b"", headers)
    assert (answer.status, answer.code) == (400, "missing_file")
    assert "curl -F file=@photo.jpg" in answer.json["detail"]


@pytest.mark.parametrize("name", ["picture", "files", "FILE", ""])
def test_form_without_the_part_lacks_the_file(server: LiveServer, name: str) -> None:
    """A form whose parts have other names is told which name is wanted."""
    answer = server.upload(jpeg(), name=name)
    assert (answer.status, answer.code) == (400, "missing_file")
    assert "`file`" in answer.json["detail"]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/json", "application/x-www-form-urlencoded", "image", "*/*", "\xe9"],
)
def test_other_content_type_is_not_read(server: LiveServer, content_type: str) -> None:
    """A body of a type that cannot hold a picture is 415, and the answer says how to send one."""
    answer = server.request("POST", "/predict", jpeg(), {"Content-Type": content_type})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert "curl -F file=@photo.jpg" in answer.json["detail"]


@pytest.mark.parametrize("options", [[], ["-H", "Content-Type:"]], ids=["default", "none"])
def test_curl_without_a_content_type_is_told_how(
    server: LiveServer, tmp_path: Path, options: list[str]
) -> None:
    """`curl --data-binary @photo.jpg` alone is 415 with the command that works."""
    file = tmp_path / "photo.jpg"
    file.write_bytes(jpeg())
    done = curl("--data-binary", f"@{file}", *options, f"{server.url}/predict")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" 415")
    assert "unsupported_media_type" in done.stdout
    assert "curl -F file=@photo.jpg" in done.stdout


@pytest.mark.parametrize(
    "top_k", ["0", "101", "-1", "x", "", "1.5", "5%00", "9" * 400, "%D9%A5x", "NaN", "[]"]
)
def test_bad_top_k_is_named(server: LiveServer, top_k: str) -> None:
    """A top_k that is no number from 1 to 100 is refused by name."""
    answer = server.upload(jpeg(), f"/predict?top_k={top_k}")
    assert (answer.status, answer.code) == (400, "invalid_parameter")
    assert "top_k" in answer.json["detail"]


@pytest.mark.parametrize("name", ["model", "version"])
@pytest.mark.parametrize("is_field", [True, False], ids=["form", "query"])
def test_endless_name_is_refused(server: LiveServer, name: str, is_field: bool) -> None:
    """A model or version with a name of a thousand letters is refused by its parameter's name."""
    answer = asked(server, {name: "a" * 1000}, is_field)
    assert (answer.status, answer.code) == (400, "invalid_parameter")
    assert answer.json["detail"] == f"`{name}` must have at most 200 characters."


def asked(server: LiveServer, fields: dict[str, str], is_field: bool) -> Answer:
    """Send a picture with fields of the form, or of the query."""
    if not is_field:
        return server.upload(jpeg(), f"/predict?{urlencode(fields)}")
    parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    body, content_type = form_of(('name="file"; filename="a.jpg"', jpeg()), *parts)
    return server.request("POST", "/predict", body, {"Content-Type": content_type})


KNOWN = "Known are `top_k`, `model`, `version` and `explain`."


@pytest.mark.parametrize("is_field", [True, False], ids=["form", "query"])
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("topk", "3", "`topk` is not known. Did you mean `top_k`?"),
        ("fruit", "1", f"`fruit` is not known. {KNOWN}"),
        ("explain", "1", "`explain` must be `heatmap`, not '1'."),
        ("top_k", "abc", "`top_k` must be a whole number from 1 to 100, not 'abc'."),
        ("top_k", "101", "`top_k` must be a whole number from 1 to 100, not '101'."),
        ("top_k", "<b>", "`top_k` must be a whole number from 1 to 100."),
        ("<b>", "3", f"A field is not known; its name cannot be shown here. {KNOWN}"),
    ],
)
def test_what_is_not_understood_is_told(
    server: LiveServer, name: str, value: str, told: str, is_field: bool
) -> None:
    """A field that is unknown, or has a value that does not fit, is named in the same words."""
    answer = asked(server, {name: value}, is_field)
    assert (answer.status, answer.code) == (400, "invalid_parameter")
    assert answer.json["detail"] == told


PHOTO = "file=@photo.jpg"


@pytest.mark.parametrize(
    ("options", "query", "told"),
    [
        (["-F", PHOTO, "-F", PHOTO], "", "There are 2 pictures, called `file`."),
        (
            ["-F", PHOTO, "-F", "image=@photo.jpg"],
            "",
            "There are 2 pictures, called `file` and `image`.",
        ),
        (["-F", PHOTO, "-F", "second=@photo.jpg"], "", "The field `second` has over 1000 bytes."),
        (["-F", PHOTO, "-F", "top_k=4"], "?top_k=3", "`top_k` is given twice"),
        (["-F", PHOTO], "?top_k=3&top_k=4", "`top_k` is given twice"),
        (["-H", "Content-Type: image/jpeg", "--data-binary", "@photo.jpg"], "?k=3", "`k` is not"),
    ],
    ids=["file twice", "file and image", "a second file", "query and form", "query", "raw"],
)
def test_nothing_is_silently_ignored(
    server: LiveServer, tmp_path: Path, options: list[str], query: str, told: str
) -> None:
    """What could only be half obeyed is refused, and told by its name."""
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    done = curl(*options, f"{server.url}/predict{query}", folder=tmp_path)
    assert done.stdout.endswith(" 400")
    assert '"code":"invalid_parameter"' in done.stdout
    assert told in done.stdout


@pytest.mark.parametrize("name", ["file", "image"])
def test_curl_without_the_at_sign_is_told(server: LiveServer, name: str) -> None:
    """`-F file=photo.jpg` sends a name and no file: the answer shows what is missing."""
    done = curl("-F", f"{name}=photo.jpg", f"{server.url}/predict")
    assert done.stdout.endswith(" 400")
    assert '"code":"missing_file"' in done.stdout
    assert f"`{name}` is text, not a file. With curl write -F {name}=@photo.jpg." in done.stdout


@pytest.mark.parametrize("path", ["/", "/health", "/livez", "/readyz", "/info", "/metrics"])
def test_other_routes_pass_over_what_they_do_not_know(server: LiveServer, path: str) -> None:
    """Load balancers and browsers add fields of their own where nothing is asked for."""
    assert server.get(f"{path}?x=1&x=2").status == 200


def part_without_header_end() -> bytes:
    """Make a form whose part has a header that goes on for ever."""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"\r\n'.encode() + b"x" * 9000


BODY = form(jpeg())[0]
MANY_PARTS = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'.encode() * 100_000
    + f"--{BOUNDARY}--\r\n".encode()
)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", BODY),
        ("multipart/form-data; boundary=", BODY),
        ("multipart/form-data; boundary=" + "x" * 300, BODY),
        ("multipart/form-data; boundary=never-there", BODY),
        (FORM, BODY[: len(BODY) // 2]),
        (FORM, BODY[: -len("--\r\n")]),
        (FORM, BODY[:30]),
        (FORM, b"--" + BOUNDARY.encode()),
        (FORM, b"\r\n"),
        (FORM, part_without_header_end()),
        (FORM, MANY_PARTS),
    ],
    ids=[
        "no boundary", "empty boundary", "endless boundary", "boundary never appears",
        "cut in half", "end is missing", "cut in the header", "only a boundary",
        "only a line break", "header without end", "100,000 parts",
    ],
)  # fmt: skip
def test_broken_form_is_malformed(server: LiveServer, content_type: str, body: bytes) -> None:
    """A form that is not whole is refused as malformed, never half understood."""
    answer = server.request("POST", "/predict", body, {"Content-Type": content_type})
    assert (answer.status, answer.code) == (400, "malformed_request")


def test_endless_part_header_is_refused_before_it_ends(server: LiveServer) -> None:
    """A part's header of megabytes is refused by its first bytes; the rest is not waited for."""
    begun = head("POST", "/predict", Content_Type=FORM, Content_Length="9000000")
    answer = ask(server, begun, BODY[: BODY.index(b"\r\n") + 2] + b"X: " + b"y" * 20_000)
    assert (answer.status, answer.code) == (400, "malformed_request")


def test_upload_that_breaks_off_hurts_nobody(server: LiveServer) -> None:
    """A client that closes in the middle of its body gets no prediction."""
    begun = head("POST", "/predict", Content_Type=FORM, Content_Length=str(len(BODY)))
    answered = exchange(server, begun + BODY[: len(BODY) // 2])
    assert not answered or answered.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "request_head",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    ],
    ids=lambda value: repr(value[:30]),
)
def test_broken_http_is_malformed(server: LiveServer, request_head: bytes) -> None:
    """What is not HTTP at all is answered in the same shape as every other failure."""
    answer = ask(server, request_head)
    assert 400 <= answer.status < 500
    assert answer.code == "malformed_request"


def curl(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run curl as people do; the status comes last in its output."""
    command = ["curl", "-sS", "--max-time", "60", "-w", " %{http_code}", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=90, check=False
    )


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 11 MB that begins like a JPEG."""
    path = tmp_path_factory.mktemp("large") / "large.jpg"
    path.write_bytes(jpeg().ljust(TOO_MANY_BYTES, b"\0"))
    return path


@pytest.mark.parametrize(
    "options",
    [
        ["-F", "file=@{}"],
        ["-H", "Expect:", "-F", "file=@{}"],
        ["-H", "Content-Type: image/jpeg", "--data-binary", "@{}"],
        ["-H", "Expect:", "-H", "Content-Type: image/jpeg", "--data-binary", "@{}"],
        ["-H", "Transfer-Encoding: chunked", "-F", "file=@{}"],
        ["-H", "Expect:", "-H", "Transfer-Encoding: chunked", "-F", "file=@{}"],
        ["-H", "Content-Type: image/jpeg", "-T", "{}", "-X", "POST"],
    ],
    ids=" ".join,
)
def test_curl_sees_413_and_no_reset(
    server: LiveServer, large_file: Path, options: list[str]
) -> None:
    """Curl with 11 MB always shows the answer, and never that its connection was reset."""
    given = [option.format(large_file) for option in options]
    for _ in range(3):
        done = curl(*given, f"{server.url}/predict")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(" 413")
        assert '"code":"file_too_large"' in done.stdout


def test_raw_socket_reads_413_after_sending_all(server: LiveServer) -> None:
    """A client that sends all of 11 MB before it reads finds the answer waiting."""
    start = head("POST", "/predict", Content_Type="image/jpeg", Content_Length=str(TOO_MANY_BYTES))
    answer = ask(server, start, bytes(TOO_MANY_BYTES))
    assert (answer.status, answer.code) == (413, "file_too_large")


def test_file_just_over_the_limit_is_refused(server: LiveServer) -> None:
    """One byte over 10 MiB is too many, in a form too, and 10 MiB itself is not."""
    limit = 10 * 1024 * 1024
    over = server.upload(jpeg().ljust(limit + 1, b"\0"))
    assert (over.status, over.code) == (413, "file_too_large")
    assert server.upload(jpeg().ljust(limit, b"\0")).status == 200


def test_chunked_body_over_the_limit_is_refused(server: LiveServer) -> None:
    """A body that does not tell its length is stopped at the limit all the same."""
    start = head("POST", "/predict", Content_Type="image/jpeg", Transfer_Encoding="chunked")
    answer = ask(server, start, *chunked(bytes(TOO_MANY_BYTES)))
    assert (answer.status, answer.code) == (413, "file_too_large")


def test_chunked_picture_is_classified(server: LiveServer) -> None:
    """A picture sent in chunks, however small, is a picture."""
    start = head("POST", "/predict", Content_Type="image/jpeg", Transfer_Encoding="chunked")
    assert ask(server, start, *chunked(jpeg(), 100)).status == 200


def test_body_where_none_belongs_is_ignored(server: LiveServer) -> None:
    """A GET with a body is answered, and the connection's next request is not read from it."""
    smuggled = head("GET", "/nothing-here")
    start = head("GET", "/livez", Content_Length=str(len(smuggled)))
    last = head("GET", "/readyz", Connection="close")
    answered = exchange(server, start + smuggled + last)
    assert answered.count(b"HTTP/1.1 200 ") == 2
    assert b" 404 " not in answered
