"""Who is one client to the rate limit, and which stores of its counters there can be."""

from hashlib import sha256
from pathlib import Path

import pytest

from tests.live_server import run_server
from tests.pictures import jpeg


@pytest.mark.parametrize(
    "uri", ["mongodb://x", "localhost:6379", "redis//x", "redis://:se:cr/et@h"]
)
def test_a_store_that_is_unknown_stops_the_start(uri: str, tmp_path: Path) -> None:
    """The message names the setting and what it may be, and not the value, which may be secret."""
    with (
        pytest.raises(AssertionError) as stopped,
        run_server(tmp_path, model="digits", rate_limit_storage=uri),
    ):
        pass
    assert "TOPFIVE_RATE_LIMIT_STORAGE: " in str(stopped.value)
    assert uri not in str(stopped.value)


@pytest.mark.parametrize(
    ("hops", "cases"),
    [
        ("0", {"1.1.1.{}": 2}),
        (
            "1",
            {
                "1.1.1.{}, 9.9.9.9": 2,
                "9.9.8.{}": 6,
                "2001:db8:0:1::{}": 2,
                "2001:db8:1:{}::1": 6,
            },
        ),
        ("2", {"6.6.6.{}, 9.9.9.9, 8.8.8.8": 2}),
    ],
)
def test_who_is_one_client(
    hops: str, cases: dict[str, int], tiny_folder: Path, tmp_path: Path
) -> None:
    """What callers write into X-Forwarded-For changes nothing; what trusted proxies write, does."""
    with run_server(
        tmp_path, model=str(tiny_folder), workers="1", rate_limit="2/hour", trusted_proxies=hops
    ) as server:
        found = {
            forwarded: [
                server.upload(jpeg(), headers={"X-Forwarded-For": forwarded.format(number)}).status
                for number in range(1, 7)
            ].count(200)
            for forwarded in cases
        }
    assert found == cases
    log = "\n".join(server.lines)
    # A refusal is a line in the log, the caller's address is not.
    assert log.count('"code": "rate_limited"') == sum(6 - allowed for allowed in cases.values())
    strangers = ("9.9.9", "9.9.8", "1.1.1.", "6.6.6.", "2001:db8", "20010db8")
    assert not [one for one in strangers if one in log]


def test_wrong_keys_cost_nobody_else(tiny_folder: Path, tmp_path: Path) -> None:
    """Guessing is limited, good keys have a quota each, and a preflight costs nothing."""
    keys = ",".join(sha256(key).hexdigest() for key in (b"one", b"two"))
    with run_server(
        tmp_path, model=str(tiny_folder), workers="1", rate_limit="3/hour", api_keys=keys
    ) as server:

        def send(key: str) -> int:
            return server.upload(jpeg(), headers={"X-API-Key": key}).status

        assert [send(f"guess-{number}") for number in range(5)] == [401] * 3 + [429] * 2
        assert server.request("OPTIONS", "/predict").status == 200
        assert [send("one") for _ in range(4)] == [200] * 3 + [429]
        # A wrong query is not told before the key is right.
        assert server.upload(jpeg(), path="/predict?top_k=x").status == 401
        assert [send("two") for _ in range(4)] == [200] * 3 + [429]
        log = "\n".join(server.lines)
    assert not [digest for digest in keys.split(",") if digest in log]


def test_a_header_alone_makes_no_new_client(tiny_folder: Path, tmp_path: Path) -> None:
    """Where no keys are set, sending some gives nobody a further quota."""
    with run_server(tmp_path, model=str(tiny_folder), workers="1", rate_limit="2/hour") as server:
        found = [
            server.upload(jpeg(), headers={"X-API-Key": str(number)}).status for number in range(4)
        ]
    assert found == [200, 200, 429, 429]
