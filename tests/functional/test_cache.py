"""The same picture again: answered from what workers keep together, and classified once."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.functional.start import refused_start
from tests.live_server import Answer, LiveServer, form_of, run_server
from tests.pictures import encode, jpeg, png
from topfive.cache.limits import LEAST_BYTES

HIT = "topfive; hit"
STORED = "topfive; fwd=uri-miss; stored"
NOT_STORED = "topfive; fwd=uri-miss"
COLLAPSED = "topfive; fwd=uri-miss; collapsed"
NO_STORE = {"Cache-Control": "no-store"}
CACHE = {"cache_bytes": str(LEAST_BYTES)}


@pytest.fixture(scope="module")
def server(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service of two workers with a cache."""
    folder = tmp_path_factory.mktemp("cache")
    with run_server(
        folder,
        model=str(tiny_folder),
        workers="2",
        queue="100",
        cors_origins="https://a.example",
        **CACHE,
    ) as running:
        yield running


def picture(number: int) -> bytes:
    """Make a picture that no other test sends."""
    return jpeg(200 + number, 150)


def status_of(answer: Answer) -> str | None:
    """Tell what the cache did for an answer."""
    assert answer.status == 200, answer.body
    return answer.headers["Cache-Status"]


def found_in(answer: Answer) -> dict[str, Any]:
    """Tell what was found, without what differs from request to request."""
    return {name: answer.json[name] for name in ("model", "predictions", "image")}


def metric(server: LiveServer, name: str) -> float:
    """Read a metric of all workers."""
    lines = server.get("/metrics").body.decode().splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(f"{name} ")))


def logged(server: LiveServer, event: str, count: int = 1) -> int:
    """Wait until an event was logged so often, and tell how often it was; lines come late."""
    end_s = time.monotonic() + 30
    while len(server.events(event)) < count:
        assert time.monotonic() < end_s, event
        time.sleep(0.02)
    return len(server.events(event))


def test_the_second_upload_is_answered_from_the_cache(server: LiveServer) -> None:
    """By every worker, whatever the form of the request, and with the same answer."""
    first = server.upload(picture(1))
    assert status_of(first) == STORED
    for _ in range(6):
        again = server.upload(picture(1))
        assert status_of(again) == HIT
        assert found_in(again) == found_in(first)
        assert again.json["timing_ms"]["inference"] == 0
    raw = server.request("POST", "/predict", picture(1), {"Content-Type": "image/jpeg"})
    assert status_of(raw) == HIT


def test_who_asks_something_else_is_not_answered_with_that(server: LiveServer) -> None:
    """Another number of classes is another answer."""
    assert status_of(server.upload(picture(2))) == STORED
    fewer = server.upload(picture(2), path="/predict?top_k=2")
    assert status_of(fewer) == STORED
    assert len(fewer.json["predictions"]) == 2


def test_no_store_and_no_cache_are_respected(server: LiveServer) -> None:
    """The first leaves nothing behind, the second finds the answer anew and keeps it."""
    assert status_of(server.upload(picture(3), headers={"Cache-Control": "no-store"})) == (
        "topfive; fwd=request"
    )
    assert status_of(server.upload(picture(3))) == STORED
    anew = server.upload(picture(3), headers={"Cache-Control": "no-cache"})
    assert status_of(anew) == "topfive; fwd=request"
    assert anew.json["timing_ms"]["inference"] > 0
    assert status_of(server.upload(picture(3))) == HIT


def test_of_a_hundred_at_once_one_is_classified(server: LiveServer) -> None:
    """Across both workers; all get the same answer."""
    large = png(1500, 1000)
    before = metric(server, 'topfive_inference_seconds_count{model="tiny",version="1"}')
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(server.upload, [large] * 100))
    told = Counter(map(status_of, answers))
    assert told[STORED] == 1
    assert told[STORED] + told[COLLAPSED] + told[HIT] == 100
    assert len({json.dumps(found_in(one)) for one in answers}) == 1
    after = metric(server, 'topfive_inference_seconds_count{model="tiny",version="1"}')
    assert after - before == 1


def test_pictures_of_a_batch_are_answered_from_the_cache(server: LiveServer) -> None:
    """And are kept there; what is asked of a batch holds for all of its pictures."""
    pictures = [picture(20), picture(21), picture(22)]
    body, content_type = form_of(
        *((f'name="files"; filename="{number}.jpg"', one) for number, one in enumerate(pictures))
    )
    alone = server.upload(pictures[1])
    anew = [True] * 3
    for headers, classified in (({}, [True, False, True]), ({}, [False] * 3), (NO_STORE, anew)):
        answer = server.request(
            "POST", "/predict/batch", body, {"Content-Type": content_type, **headers}
        )
        results = answer.json["results"]
        assert [one["timing_ms"]["inference"] > 0 for one in results] == classified
        assert results[1]["predictions"] == alone.json["predictions"]
    assert [status_of(server.upload(one)) for one in pictures] == [HIT] * 3


def test_a_hit_is_answered_while_every_slot_is_taken(tiny_folder: Path, tmp_path: Path) -> None:
    """Others are told `overloaded`, and what is under way goes on."""
    known = jpeg()
    slow = [encode(Image.new("RGB", (90, 90 + one), "white"), "PNG") for one in range(2)]
    with run_server(
        tmp_path, module="tests.functional.waiting_server", model=str(tiny_folder), slots="1",
        queue="1", **CACHE,
    ) as server, ThreadPoolExecutor(2) as pool:  # fmt: skip
        assert status_of(server.upload(known)) == STORED
        waiting = [pool.submit(server.upload, one) for one in slow]
        try:
            end_s = time.monotonic() + 30
            # This question is under way too.
            while metric(server, "topfive_requests_in_flight") < 3:
                assert time.monotonic() < end_s
            assert [status_of(server.upload(known)) for _ in range(5)] == [HIT] * 5
            assert server.upload(picture(2)).code == "overloaded"
        finally:
            (tmp_path / "go").touch()
        assert [status_of(one.result()) for one in waiting] == [STORED] * 2


def test_a_wrong_picture_is_told_each_time(server: LiveServer) -> None:
    """A failure is not kept."""
    broken = picture(4)[:300]
    assert [server.upload(broken).code for _ in range(3)] == ["invalid_image"] * 3


def test_what_the_cache_did_is_logged_and_counted(server: LiveServer) -> None:
    """One line a request; of a picture, nothing but what is in it without a cache."""
    server.upload(picture(5))
    server.upload(picture(5))
    end_s = time.monotonic() + 30
    while {"stored", "hit"} - {line.get("cache") for line in server.events("request")}:
        assert time.monotonic() < end_s
        time.sleep(0.02)
    told = server.get("/metrics").body.decode()
    for result in ("hit", "stored"):
        assert f'topfive_cache_results_total{{result="{result}"}}' in told
    assert metric(server, "topfive_cache_bytes") > 0
    for name in ("errors", "broken_entries", "evictions"):
        assert metric(server, f"topfive_cache_{name}_total") == 0


def test_pages_of_other_origins_see_what_the_cache_did(server: LiveServer) -> None:
    """The header is named among those that they may read."""
    answer = server.upload(picture(6), headers={"Origin": "https://a.example"})
    assert "Cache-Status" in answer.headers["Access-Control-Expose-Headers"]


def test_without_a_cache_nothing_is_said_of_it(tiny_folder: Path, tmp_path: Path) -> None:
    """That is how it is where nothing is set."""
    with run_server(tmp_path, model=str(tiny_folder)) as server:
        answers = [server.upload(picture(1)) for _ in range(2)]
        assert [status_of(one) for one in answers] == [None, None]
        assert all(one.json["timing_ms"]["inference"] > 0 for one in answers)
        logged(server, "request", 2)
        assert not [line for line in server.events("request") if "cache" in line]


def test_another_model_never_answers_from_what_was_kept(tiny_folder: Path, tmp_path: Path) -> None:
    """Neither one that is named nor one that is activated."""
    with run_server(tmp_path, model=str(tiny_folder), models="digits", **CACHE) as server:
        assert status_of(server.upload(picture(1))) == STORED
        assert status_of(server.upload(picture(1))) == HIT
        other = server.upload(picture(1), path="/predict?model=digits")
        assert status_of(other) == STORED
        assert other.json["model"]["name"] == "digits"
        again = server.upload(picture(1), path="/predict?model=digits")
        assert status_of(again) == HIT
        assert found_in(again) == found_in(other)
        ordered = server.request(
            "PUT", "/routes/default?wait_s=20",
            json.dumps({"targets": [{"model": "digits", "weight": 100}]}).encode(),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        assert ordered.status in (200, 202), ordered.body
        assert server.upload(picture(1)).json["model"]["name"] == "digits"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cache_bytes": "1000"}, "TOPFIVE_CACHE_BYTES='1000': it must be 0, for no cache, or at"),
        ({"cache_bytes": str(1 << 40)}, "TOPFIVE_CACHE_BYTES is 1048576 MiB, and workers need the"),
        ({"cache_url": "mongodb://:se-cret@x"}, "TOPFIVE_CACHE_URL: it must begin with one of"),
        (CACHE | {"cache_url": "redis://x"}, "TOPFIVE_CACHE_URL: TOPFIVE_CACHE_BYTES is set too"),
    ],
)  # fmt: skip
def test_a_cache_that_cannot_be_is_told_at_the_start(
    settings: dict[str, str], said: str, tmp_path: Path
) -> None:
    """The message names the setting, and no secret."""
    told = refused_start(tmp_path, model="digits", **settings)
    assert said in told
    assert "se-cret" not in told
