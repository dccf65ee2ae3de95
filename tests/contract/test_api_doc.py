"""What docs/API.md shows is run as it stands there, and gives what is shown."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.live_server import BOUNDARY, Answer, LiveServer, form, form_of, run_server
from tests.pictures import forged_png, jpeg
from topfive.api.examples import problem_examples
from topfive.errors import FAILURES

TEXT = (Path(__file__).parents[2] / "docs" / "API.md").read_text()
SHOWN_AT = "http://127.0.0.1:5000"
SHOWN_MODEL, SERVED_MODEL = "/v2/models/mobilenet_v2", "/v2/models/tiny"


def section(title: str) -> str:
    """Take what stands below a heading, up to the next one of any level."""
    after = TEXT[TEXT.index(f"\n{title}\n") + len(title) + 2 :]
    return re.split(r"^##+ ", after, maxsplit=1, flags=re.MULTILINE)[0]


def blocks(text: str, language: str) -> list[str]:
    """List the code blocks of that language; of none where it is empty."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for named, block in found if named == language]


def commands(text: str) -> list[str]:
    """List the commands in the shell blocks of a text, one a line, without remarks."""
    lines = "".join(blocks(text, "sh")).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def agree(shown: Any, found: Any) -> bool:
    """Tell whether two JSON values have the same keys and types; null agrees with anything."""
    if isinstance(shown, dict) and isinstance(found, dict):
        return list(shown) == list(found) and all(agree(shown[key], found[key]) for key in shown)
    if isinstance(shown, list) and isinstance(found, list):
        return not shown or not found or agree(shown[0], found[0])
    return shown is None or found is None or kind(shown) == kind(found)


def kind(value: Any) -> type:
    """Take the type of a JSON value; whole numbers are numbers like others."""
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


@pytest.fixture
def run(tmp_path: Path, server: LiveServer) -> Callable[..., str]:
    """Runs a program's text beside a photo, against the live server, and returns its output."""
    (tmp_path / "photo.jpg").write_bytes(jpeg())

    def run_text(*program: str, at: LiveServer = server, is_good: bool = True, **more: str) -> str:
        *command, text = program
        done = subprocess.run(
            [*command, text.replace(SHOWN_AT, at.url).replace(SHOWN_MODEL, SERVED_MODEL)],
            cwd=tmp_path,
            env=os.environ | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | more,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode == 0) == is_good, done.stderr
        return done.stdout if is_good else done.stderr

    return run_text


@pytest.mark.parametrize(
    "title",
    [
        "## POST /predict",
        "### Where the class was seen",
        "## GET /health",
        "## GET /livez, GET /readyz",
        "## GET /info",
        "## GET /",
        "## Open Inference Protocol",
    ],
)
def test_an_answer_has_the_shape_that_is_shown(run: Callable[..., str], title: str) -> None:
    """Each command is followed by what it answers: the same keys, in their order, and types."""
    text = section(title)
    found = [json.loads(run("bash", "-c", command)) for command in commands(text)]
    decoder, shown = json.JSONDecoder(), blocks(text, "json")[0]
    for one in found:
        value, end = decoder.raw_decode(shown)
        assert agree(value, one), (value, one)
        shown = shown[end:].lstrip()
    assert not shown


@pytest.mark.parametrize("command", commands(section("### With curl")))
def test_a_curl_command_gets_a_prediction(
    run: Callable[..., str], tmp_path: Path, command: str
) -> None:
    """Every way to send a picture that is shown works, and writes what it is said to write."""
    written = run("bash", "-c", command)
    if "-w" in command:
        assert written == "200\n"
        written = (tmp_path / "answer.json").read_text()
    if "grep" in command:
        assert re.fullmatch(r'"class_name":"class \d"\n', written)
    else:
        count = 1 if "top_k=1" in command else 5
        assert len(json.loads(written)["predictions"]) == count


def test_a_batch_is_answered_as_shown(run: Callable[..., str]) -> None:
    """The form gets the document that is shown; both ways to ask for lines get a line a picture."""
    text = section("## POST /predict/batch")
    whole, *by_line = commands(text)
    shown = json.loads(blocks(text, "json")[0])
    assert agree(shown, json.loads(run("bash", "-c", whole)))
    assert len(by_line) == 2
    for command in by_line:
        lines = [json.loads(one) for one in run("bash", "-c", command).splitlines()]
        assert [one["index"] for one in lines] == [0, 1]
        assert agree(shown["results"][0], lines[0])


PYTHON = blocks(section("### With Python"), "python")


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_a_python_program_prints_what_is_shown(run: Callable[..., str], number: int) -> None:
    """Each program runs, and prints as many lines, with figures as long, as stand below it."""
    shown = blocks(section("### With Python"), "")[number]
    written = run(sys.executable, "-c", PYTHON[number])
    # Names of classes are set in twelve columns.
    shape = [re.sub(r"\d", "0", line[12:]) for line in shown.splitlines()]
    assert [re.sub(r"\d", "0", line[12:]) for line in written.splitlines()] == shape


def test_tritons_client_prints_what_is_shown(run: Callable[..., str], server: LiveServer) -> None:
    """The program with Triton's client runs, and prints one class."""
    text = section("## Open Inference Protocol")
    (program,) = blocks(text, "python")
    here = program.replace("127.0.0.1:5000", f"127.0.0.1:{server.port}")
    written = run(sys.executable, "-c", here.replace('"mobilenet_v2"', '"tiny"'))
    assert re.fullmatch(r"class \d\n", written)


@pytest.mark.parametrize(("number", "keys"), [(0, "request_id"), (1, "predictions")])
def test_sagemakers_requests_are_answered(run: Callable[..., str], number: int, keys: str) -> None:
    """Bytes get what /predict answers, instances a list of that; both have three classes."""
    found = json.loads(run("bash", "-c", commands(section("## SageMaker"))[number]))
    assert next(iter(found)) == keys
    one = found if number == 0 else found["predictions"][0]
    assert len(one["predictions"]) == 3


def test_a_python_program_tells_a_failure(run: Callable[..., str], tmp_path: Path) -> None:
    """The program with requests ends with the code and the sentence of the problem."""
    (tmp_path / "photo.jpg").write_bytes(b"")
    told = run(sys.executable, "-c", PYTHON[1], is_good=False)
    assert told == "empty_file: The picture has zero bytes. Send the file's content.\n"


def test_keys_are_made_and_sent_as_shown(
    run: Callable[..., str], tmp_path: Path, tiny_folder: Path
) -> None:
    """The commands make a key and the digest that lets it in, by either header."""
    make_key, make_digest, start, *calls = commands(section("## API keys"))
    assert start == "TOPFIVE_API_KEYS=$digest make run"
    key, digest = run("bash", "-c", f"{make_key}\n{make_digest}\necho $key $digest").split()
    with run_server(tmp_path, model=str(tiny_folder), api_keys=digest) as guarded:
        assert len(calls) == 2
        for call in calls:
            assert "predictions" in json.loads(run("bash", "-c", call, at=guarded, key=key))
        assert_told("unauthorized", guarded.upload(jpeg()))
        assert_told("not_found", guarded.get("/nothing"))


def quotes(code: str) -> list[str]:
    """List what the table of failures says that `detail` says, for one code."""
    rows = re.findall(rf"^\| \(?\d+\)? \| `{code}` \| (.*) \|$", TEXT, re.MULTILINE)
    return re.findall(r'"([^"]+)"', " ".join(rows))


def assert_told(code: str, answer: Answer) -> None:
    """Check that an answer is that failure, in words that the table shows, or begins with."""
    assert answer.code == code
    detail = answer.json["detail"]
    assert any(detail.startswith(quote.removesuffix(" ...")) for quote in quotes(code)), detail


def post(server: LiveServer, body: bytes, content_type: str) -> Answer:
    """POST a body to /predict."""
    return server.request("POST", "/predict", body, {"Content-Type": content_type})


FORM = f"multipart/form-data; boundary={BOUNDARY}"
PROVOKED: list[tuple[str, Callable[[LiveServer], Answer]]] = [
    ("missing_file", lambda server: post(server, *form_of(('name="top_k"', b"3")))),
    ("missing_file", lambda server: post(server, *form_of(('name="file"', b"photo.jpg")))),
    ("empty_file", lambda server: server.upload(b"")),
    ("unsupported_format", lambda server: server.upload(b"text")),
    ("invalid_image", lambda server: server.upload(jpeg()[:300])),
    ("invalid_parameter", lambda server: server.upload(jpeg(), "/predict?top_k=0")),
    ("invalid_parameter", lambda server: server.upload(jpeg(), "/predict?topk=3")),
    (
        "invalid_parameter",
        lambda server: post(server, *form_of(*[('name="file"; filename="a.jpg"', jpeg())] * 2)),
    ),
    ("malformed_request", lambda server: post(server, form(jpeg())[0][:900], FORM)),
    ("not_found", lambda server: server.get("/nothing")),
    ("model_not_found", lambda server: server.upload(jpeg(), "/predict?model=resnet50")),
    ("method_not_allowed", lambda server: server.get("/predict")),
    ("file_too_large", lambda server: post(server, bytes(11 * 1024 * 1024), "image/jpeg")),
    ("batch_too_large", lambda server: server.upload_batch(*[jpeg()] * 65)),
    ("image_too_large", lambda server: server.upload(forged_png(6000, 5000))),
    ("unsupported_media_type", lambda server: post(server, jpeg(), "text/plain")),
]


@pytest.mark.parametrize(("code", "send"), PROVOKED, ids=[code for code, _ in PROVOKED])
def test_a_failure_is_told_as_the_table_says(
    server: LiveServer, code: str, send: Callable[[LiveServer], Answer]
) -> None:
    """What is quoted in the table of failures is what a caller reads."""
    assert_told(code, send(server))


@pytest.mark.parametrize("code", FAILURES)
def test_the_table_and_the_examples_agree(code: str) -> None:
    """The OpenAPI document shows of each failure what the table quotes."""
    detail = problem_examples([code])[code]["value"]["detail"]
    assert any(detail.startswith(quote.removesuffix(" ...")) for quote in quotes(code)), detail


def test_the_problem_that_is_shown_is_answered(server: LiveServer) -> None:
    """The whole example of a failure is what that request gets, but for its id."""
    shown = json.loads(blocks(section("## Failures"), "json")[0])
    found = post(server, *form_of(('name="file"', b"photo.jpg"))).json
    assert found | {"request_id": ""} == shown | {"request_id": ""}
