"""One process that holds slow connections open, and opens each anew when the server closes it."""

import multiprocessing
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from uploads import Address

MAX_CONNECTIONS = 500
DRIP_EVERY_S = 1.0
TICK_S = 0.02
CONNECT_TIMEOUT_S = 5.0
SMALL_WINDOW_BYTES = 4096
STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Attack:
    """What each connection sends at once, what it drips, and how long the server bears it."""

    name: str
    opening: bytes
    drip: bytes
    allowance_s: float
    reads: bool = True


@dataclass(slots=True)
class AttackResult:
    """How connections ended: how long each lived, what it was told, and those still open."""

    lives_s: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    open_s: list[float] = field(default_factory=list)
    refused: int = 0
    cpu_ms: float = 0.0

    @property
    def longest_s(self) -> float:
        """The longest life, of connections that are still open too."""
        return max([*self.lives_s, *self.open_s], default=0.0)


class SlowClient:
    """One place of the attack: a connection, and the next one when it ends."""

    def __init__(self, address: Address, attack: Attack) -> None:
        self._address = address
        self._attack = attack
        self._dripped = 0
        self._received = b""
        self.due_s = 0.0
        self.opened_s = 0.0
        self.connection: socket.socket | None = None

    def open(self) -> socket.socket:
        """Connect and send what goes out at once; raises OSError if that fails."""
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if not self._attack.reads:
                # The window is agreed on when connecting.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW_BYTES)
            connection.settimeout(CONNECT_TIMEOUT_S)
            connection.connect((self._address.host, self._address.port))
            connection.sendall(self._attack.opening)
        except OSError:
            connection.close()
            raise
        connection.setblocking(False)
        self.connection, self.opened_s = connection, time.perf_counter()
        self._dripped, self._received = 0, b""
        return connection

    def drip(self) -> bool:
        """Send the next byte; False if the server has closed."""
        if self.connection is None or not self._attack.drip:
            return True
        at = self._dripped % len(self._attack.drip)
        try:
            self._dripped += self.connection.send(self._attack.drip[at : at + 1])
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def hear(self) -> bool:
        """Read what the server says; False if it has closed."""
        if self.connection is None:
            return True
        try:
            chunk = self.connection.recv(1024)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._received += chunk
        return bool(chunk)

    def told(self) -> str:
        """Tell the status of the answer that came, if one did."""
        if not self._attack.reads:
            return "not read"
        status = self._received[9:12].decode("latin-1")
        return status or "nothing"


class Attacker:
    """A fixed number of slow clients in one thread."""

    def __init__(self, address: Address, attack: Attack, count: int) -> None:
        if not 0 < count <= MAX_CONNECTIONS:
            raise ValueError(f"1 to {MAX_CONNECTIONS} connections, not {count}")
        self._attack = attack
        self._selector = selectors.DefaultSelector()
        self._clients = deque(SlowClient(address, attack) for _ in range(count))
        self.result = AttackResult()

    def begin(self) -> None:
        """Open all connections at once; their later bytes are spread over the second."""
        for client in self._clients:
            self._open(client)
        now_s = time.perf_counter()
        for place, client in enumerate(self._clients, start=1):
            client.due_s = now_s + DRIP_EVERY_S * place / len(self._clients)

    def go_on(self) -> None:
        """Do what there is to do within one tick."""
        if not self._attack.reads:
            time.sleep(TICK_S)
        for key, _ in self._selector.select(TICK_S) if self._attack.reads else ():
            client: SlowClient = key.data
            if not client.hear():
                self._end(client)
                self._open(client)
        while self._clients[0].due_s <= time.perf_counter():
            self._take_turn(self._clients[0])
            self._clients.rotate(-1)

    def end(self) -> None:
        """Note what is still open, and close it."""
        now_s = time.perf_counter()
        for client in self._clients:
            if client.connection is not None:
                self.result.open_s.append(now_s - client.opened_s)
                client.connection.close()
        self._selector.close()

    def _take_turn(self, client: SlowClient) -> None:
        client.due_s += DRIP_EVERY_S
        if not client.drip():
            # What the server said before it closed may still be there to read.
            while self._attack.reads and client.hear():
                pass
            self._end(client)
        if client.connection is None:
            self._open(client)

    def _open(self, client: SlowClient) -> None:
        try:
            connection = client.open()
        except OSError:
            self.result.refused += 1
            return
        if self._attack.reads:
            self._selector.register(connection, selectors.EVENT_READ, client)

    def _end(self, client: SlowClient) -> None:
        connection, client.connection = client.connection, None
        if connection is None:
            return
        self.result.lives_s.append(time.perf_counter() - client.opened_s)
        self.result.told.append(client.told())
        with suppress(KeyError):
            self._selector.unregister(connection)
        connection.close()


@contextmanager
def attacking(address: Address, attack: Attack, count: int) -> Iterator[AttackResult]:
    """Attack during a block, from a process of its own; the result is filled when it ends."""
    result = AttackResult()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_attack, args=(address, attack, count, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        ours.recv()
        yield result
        ours.send("stop")
        seen: AttackResult = ours.recv()
        result.lives_s, result.told = seen.lives_s, seen.told
        result.open_s, result.refused, result.cpu_ms = seen.open_s, seen.refused, seen.cpu_ms
    finally:
        ours.close()
        process.join(STOP_TIMEOUT_S)


def _attack(address: Address, attack: Attack, count: int, parent: Connection) -> None:
    """Attack until the parent says stop or is gone, then hand the result over."""
    attacker = Attacker(address, attack, count)
    attacker.begin()
    parent.send("ready")
    while not parent.poll():
        attacker.go_on()
    attacker.end()
    attacker.result.cpu_ms = time.process_time() * 1000
    with suppress(BrokenPipeError):
        parent.send(attacker.result)
