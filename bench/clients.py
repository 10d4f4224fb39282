"""Clients that load a server, and what its programs take meanwhile: processor time and memory.

A client is a process with one connection that stays open. It sends its next request when it has the answer to the last
one. It is a few lines on a socket, so that it takes little of the processors that it shares with the server.

Linux only: processor time and memory of other processes are read from /proc.
"""

import multiprocessing
import os
import socket
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

_TICKS = os.sysconf("SC_CLK_TCK")  # of processor time, per second
_POLL_SECONDS = 0.1
_STREAM_BYTES = 65_536
_WARM_UP_SECONDS = 0.5  # before what counts

Pids = Collection[int]


@dataclass(frozen=True, slots=True)
class Load:
    """What each client sends, again and again."""

    name: str
    url: str  # of the server
    requests: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Figures:
    """What clients got, and what it took."""

    per_second: float  # answers
    failed: int  # answers that are no success
    p50_ms: float
    p99_ms: float
    client_ms: float  # of processor time, for each request
    server_ms: Mapping[str, float]  # of processor time, for each request, by program


@dataclass(frozen=True, slots=True)
class _Sent:
    seconds: tuple[float, ...]  # of each request
    processor_seconds: float
    failed: int


class Clients:
    """A number of clients, which wait until they get work."""

    def __init__(self, count: int, pool: ProcessPoolExecutor) -> None:
        self._count, self._pool = count, pool

    def send(self, load: Load, seconds: float, programs: Mapping[str, Pids]) -> Figures:
        """Send a load for some seconds. `programs` are the processes of each program that is watched."""
        began = time.perf_counter() + _WARM_UP_SECONDS
        sending = partial(_send, load, began, seconds)
        running = [self._pool.submit(sending, number) for number in range(self._count)]
        time.sleep(max(0.0, began - time.perf_counter()))
        before = _processor_seconds(programs)
        time.sleep(max(0.0, began + seconds - time.perf_counter()))
        after = _processor_seconds(programs)
        sent = [each.result() for each in running]
        times = sorted(1000 * each for client in sent for each in client.seconds)
        cuts = statistics.quantiles(times, n=100)
        return Figures(
            per_second=len(times) / seconds,
            failed=sum(client.failed for client in sent),
            p50_ms=cuts[49],
            p99_ms=cuts[98],
            client_ms=1000 * sum(client.processor_seconds for client in sent) / len(times),
            server_ms={name: 1000 * (after[name] - before[name]) / len(times) for name in programs},
        )


@contextmanager
def clients(count: int) -> Iterator[Clients]:
    """Start clients, and end them with the block."""
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(time.sleep, [0.5] * count))  # each process is started, and has imported what it needs
        yield Clients(count, pool)


def http_request(method: str, url: str, target: str, body: bytes = b"", **headers: str) -> bytes:
    """Return the bytes of a request."""
    fields = {"Host": urlsplit(url).netloc, "Content-Length": str(len(body)), "Content-Type": "application/json"}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in {**fields, **headers}.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def peak_mb(pids: Pids) -> Iterator[Callable[[], float]]:
    """Yield what returns the most memory that processes have had together during the block, in MB.

    Pages that they share are counted once (PSS).
    """
    peak, ended = 0.0, Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(_POLL_SECONDS):
            peak = max(peak, memory_mb(pids))

    thread = Thread(target=watch)
    thread.start()
    try:
        yield lambda: peak
    finally:
        ended.set()
        thread.join()


def memory_mb(pids: Pids) -> float:
    """Return the memory of processes, in MB. Pages that they share are counted once (PSS)."""
    rollups = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    lines = (line for rollup in rollups for line in rollup.splitlines() if line.startswith("Pss:"))
    return sum(int(line.split()[1]) for line in lines) * 1024 / 1e6


def _processor_seconds(programs: Mapping[str, Pids]) -> dict[str, float]:
    return {name: sum(map(_ticks, pids)) / _TICKS for name, pids in programs.items()}


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # utime and stime: see proc(5)


def _send(load: Load, began: float, seconds: float, number: int) -> _Sent:
    """Send requests until the end, and return what was measured from the beginning on."""
    address = urlsplit(load.url)
    times: list[float] = []
    failed, ended, processor = 0, began + seconds, time.process_time()
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        position = number  # each client begins with another request
        while (now := time.perf_counter()) < ended:
            if now < began:
                processor = time.process_time()
            connection.sendall(load.requests[position % len(load.requests)])
            ok = _answered(connection)
            position += 1
            if now >= began:
                times.append(time.perf_counter() - now)
                failed += not ok
    return _Sent(tuple(times), time.process_time() - processor, failed)


def _answered(connection: socket.socket) -> bool:
    """Read an answer, and return whether it is a success."""
    received = connection.recv(_STREAM_BYTES)
    while b"\r\n\r\n" not in received:
        received += _received(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    missing = length - len(body)
    while missing > 0:
        missing -= len(_received(connection))
    return head.split(b" ", 2)[1].startswith(b"2")


def _received(connection: socket.socket) -> bytes:
    received = connection.recv(_STREAM_BYTES)
    if not received:
        raise ConnectionError("The server closed the connection.")
    return received
