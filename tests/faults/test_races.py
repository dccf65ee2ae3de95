"""Many clients that cut, pipeline and vanish: every answer is right, in order, and nothing is left.

All is drawn from a seed, but for the moments at which the kernel and the threads run.
"""

import asyncio
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.functional.wire import chunked, head
from tests.live_server import LiveServer, run_server
from tests.pictures import draw, encode, jpeg

CLIENTS = 12
REQUESTS_PER_CLIENT = 150
VANISHING = 150
WITHIN_S = 60


@dataclass(frozen=True)
class Asked:
    """One request: its bytes, and what its answer must say."""

    data: bytes
    status: int
    width: int = 0


def pictures() -> list[tuple[bytes, int]]:
    """Make pictures that their answers tell apart by width; some have over 300 KB."""
    small = [(jpeg(width, 40), width) for width in range(60, 90)]
    return small + [(encode(draw(width, 280), "BMP"), width) for width in (400, 420, 440)]


PICTURES = pictures()


def draw_request(chance: Random, request_id: str) -> Asked:
    """Choose what to ask for; most are uploads, whole or in chunks."""
    kind = chance.choices(["length", "chunks", "no picture", "livez", "nothing"], [8, 3, 2, 4, 2])[
        0
    ]
    given = {"X_Request_ID": request_id}
    if kind == "livez":
        return Asked(head("GET", "/livez", **given), 200)
    if kind == "nothing":
        return Asked(head("GET", "/nothing-here", **given), 404)
    given["Content_Type"] = "application/octet-stream"
    if kind == "no picture":
        body = chance.randbytes(chance.randint(1, 2000))
        return Asked(head("POST", "/predict", **given, Content_Length=str(len(body))) + body, 400)
    picture, width = chance.choice(PICTURES)
    if kind == "chunks":
        pieces = b"".join(chunked(picture, chance.choice([700, 5000, 65536])))
        return Asked(
            head("POST", "/predict", **given, Transfer_Encoding="chunked") + pieces, 200, width
        )
    begun = head("POST", "/predict", **given, Content_Length=str(len(picture)))
    return Asked(begun + picture, 200, width)


def cut(chance: Random, data: bytes) -> Iterator[bytes]:
    """Cut data at a few random places, often within its head."""
    most = [len(data), min(len(data), 300)]
    cuts = sorted(chance.randint(0, chance.choice(most)) for _ in range(chance.randint(0, 6)))
    for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
        yield data[start:stop]


async def pieces_in_time(chance: Random, data: bytes) -> AsyncIterator[bytes]:
    """Cut data, with tiny pauses between the pieces."""
    for piece in cut(chance, data):
        yield piece
        await asyncio.sleep(chance.choice([0, 0, 0.0005, 0.002]))


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Read one response."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(lines[0].split(" ")[1]), headers, body


@dataclass
class Client:
    """A client that keeps its connection, and what it was told."""

    port: int
    chance: Random
    name: str
    right: int = 0
    refused: int = 0

    async def talk(self, most_at_once: int) -> None:
        """Send requests, up to so many before reading, and check every answer."""
        while self.right + self.refused < REQUESTS_PER_CLIENT:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
            is_open = True
            while is_open and self.right + self.refused < REQUESTS_PER_CLIENT:
                count = self.chance.randint(1, most_at_once)
                is_open = await self._ask(reader, writer, count)
            writer.close()
            await writer.wait_closed()

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int
    ) -> bool:
        """Send some requests and read their answers; False where the connection ends."""
        names = [f"{self.name}-{self.chance.randint(0, 1 << 60)}" for _ in range(count)]
        asked = [draw_request(self.chance, name) for name in names]
        async for piece in pieces_in_time(self.chance, b"".join(one.data for one in asked)):
            writer.write(piece)
            await writer.drain()
        for name, one in zip(names, asked, strict=True):
            status, headers, body = await read_answer(reader)
            if status == 503:
                self.refused += 1
                assert json.loads(body)["code"] == "overloaded"
            else:
                assert (status, headers["x-request-id"]) == (one.status, name), body
                assert not one.width or json.loads(body)["image"]["width"] == one.width
                self.right += 1
            if headers["connection"] == "close":
                assert status == 503, "only refusals end connections here"
                return False
        return True


async def vanish(port: int, chance: Random) -> None:
    """Begin something, and go at a random moment: before, within or after the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = [draw_request(chance, "gone") for _ in range(chance.randint(1, 3))]
    data = b"".join(one.data for one in asked)
    if chance.random() < 0.7:
        data = data[: chance.randint(0, len(data))]
    with suppress(ConnectionError):
        async for piece in pieces_in_time(chance, data):
            writer.write(piece)
            await writer.drain()
        if chance.random() < 0.3:
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(chance.randint(1, 200)), 0.05)
    if chance.random() < 0.5:
        # Closed so, a connection is reset at once.
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def vanish_often(port: int, chance: Random) -> None:
    """Be many clients that go, one after the other."""
    for _ in range(VANISHING // 3):
        await vanish(port, chance)


def descriptors(server: LiveServer) -> int:
    """Count the open descriptors of the one worker, when it has seen the last connection end."""
    time.sleep(0.2)
    (pid,) = server.worker_pids()
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def in_flight(server: LiveServer) -> float:
    """Read how many requests are under way, this one left away."""
    text = server.get("/metrics").body.decode()
    lines = [line for line in text.splitlines() if line.startswith("topfive_requests_in_flight")]
    return sum(float(line.rpartition(" ")[2]) for line in lines) - 1


@contextmanager
def nothing_is_left(server: LiveServer) -> Iterator[None]:
    """Fail a block after which a request is still counted, or a descriptor open, or went wrong."""
    before, pids = descriptors(server), server.worker_pids()
    yield
    # Longer than any connection is kept on which nobody is heard.
    end_s = time.monotonic() + 15
    while descriptors(server) > before and time.monotonic() < end_s:
        pass
    assert descriptors(server) == before
    assert in_flight(server) == 0
    assert server.worker_pids() == pids
    assert not server.events("unforeseen_error")
    failures = [one for one in server.events("request") if one["status"] >= 500]
    assert {one["code"] for one in failures} <= {"overloaded"}


def run_clients(server: LiveServer, seed: int) -> list[Client]:
    """Run clients that keep their connections beside others that go."""
    chance = Random(seed)
    clients = [
        Client(server.port, Random(chance.random()), f"{seed}-{number}")
        for number in range(CLIENTS)
    ]

    async def run() -> None:
        async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as group:
            for number, client in enumerate(clients):
                group.create_task(client.talk(1 + 4 * (number % 2)))
            for _ in range(3):
                group.create_task(vanish_often(server.port, Random(chance.random())))

    asyncio.run(run())
    return clients


def test_answers_are_right_and_in_order(tiny_folder: Path, tmp_path: Path) -> None:
    """However requests are cut, pipelined and mixed with clients that go, each has its answer."""
    limits = {"workers": "1", "slots": "2", "queue": "100"}
    with run_server(tmp_path, model=str(tiny_folder), **limits) as server:
        for seed in (1, 2):
            with nothing_is_left(server):
                clients = run_clients(server, seed)
                assert [one.refused for one in clients] == [0] * CLIENTS
        statuses = {one["status"] for one in server.events("request")}
        assert statuses >= {200, 400, 404, 499}


def test_refusals_between_answers_confuse_nobody(tiny_folder: Path, tmp_path: Path) -> None:
    """With one slot and no queue slot each answer is right or a refusal, and in its place."""
    limits = {"workers": "1", "slots": "1", "queue": "0"}
    with run_server(tmp_path, model=str(tiny_folder), **limits) as server:
        with nothing_is_left(server):
            clients = run_clients(server, 3)
            assert all(one.right for one in clients)
            assert sum(one.refused for one in clients)
        assert server.upload(jpeg()).status == 200
