"""The engines as child processes, which end with the stack, even when it is killed."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dev.folder import Folder
from project import CannotRun

LOOPBACK = "127.0.0.1"
_EVERYWHERE = ("0.0.0.0", "")  # noqa: S104
_START_SECONDS = 30
_STOP_SECONDS = 5

# Reads one process id per line, and kills these processes when the stack closes the pipe. The pipe closes also when the
# stack is ended by SIGKILL, after which no code in the stack's own process can run. It works on every Unix.
_GUARD = 'while read -r pid; do pids="$pids $pid"; done; [ -z "$pids" ] || kill -KILL $pids'


_PASSED_ON = ("PATH", "HOME", "LANG")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How an engine is started."""

    name: str
    command: Sequence[str]
    port: int
    folder: Path  # working directory
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    host: str
    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return url(self.host, self.port)

    def wait_until_it_listens(self) -> None:
        """Return as soon as the engine accepts connections.

        Raises CannotRun: the engine ended, or did not listen in time.
        """
        deadline = time.monotonic() + _START_SECONDS
        while True:
            self.check()
            try:
                socket.create_connection((reachable(self.host), self.port), timeout=1).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise CannotRun(f"{self.name} did not start in {_START_SECONDS} s; see {self.log}.") from None
                time.sleep(0.02)
            else:
                return

    def check(self) -> None:
        """Raise CannotRun if the engine has ended."""
        if (status := self.process.poll()) is not None:
            raise CannotRun(f"{self.name} ended with status {status}; see {self.log}.")


class Processes:
    """The engines of one stack."""

    def __init__(self, guard: subprocess.Popen[bytes]) -> None:
        self._guard = guard
        self.engines: list[Engine] = []

    def start(self, program: Program, host: str, folder: Folder) -> Engine:
        """Start an engine. It holds the lock of the folder until it ends."""
        log = folder.logs / f"{program.name.replace(' ', '-').lower()}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                program.command,
                cwd=program.folder,
                # Without the caller's settings: the emulator reads some of the same variables as the service.
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[folder.lock],
                start_new_session=True,  # Ctrl-C reaches only the stack, which then stops its engines
            )
        if self._guard.stdin:
            self._guard.stdin.write(f"{process.pid}\n".encode())
            self._guard.stdin.flush()
        engine = Engine(program.name, process, log, host, program.port)
        self.engines.append(engine)
        return engine

    def leave(self) -> None:
        """Let a fork of this process leave the engines alone: it no longer keeps the guard waiting."""
        if self._guard.stdin:
            self._guard.stdin.close()

    def stop(self) -> list[Engine]:
        """Stop all engines by SIGTERM. Returns those that did not end in time and were killed."""
        killed = []
        for engine in self.engines:
            engine.process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for engine in self.engines:
            try:
                engine.process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                engine.process.kill()
                engine.process.wait()
                killed.append(engine)
        return killed


@contextmanager
def guarded() -> Iterator[Processes]:
    """Yield what starts engines. They end with the block, or with this process if it is killed.

    Raises CannotRun: the block ended by a SystemExit of status 0, but an engine had to be killed.
    """
    guard = subprocess.Popen(["/bin/sh", "-c", _GUARD], stdin=subprocess.PIPE, start_new_session=True)
    processes = Processes(guard)
    try:
        yield processes
    except SystemExit as end:
        if (killed := processes.stop()) and not end.code:
            names = " and ".join(engine.name for engine in killed)
            raise CannotRun(f"{names} did not end in {_STOP_SECONDS} s and had to be killed.") from None
        raise
    finally:
        processes.stop()
        guard.kill()  # before its pipe closes: other processes may soon have these ids
        guard.wait()
        if guard.stdin:
            guard.stdin.close()


def reachable(host: str) -> str:
    """Return the host at which this machine reaches a server that listens on `host`."""
    return LOOPBACK if host in _EVERYWHERE else host


def url(host: str, port: int) -> str:
    """Return the URL at which this machine reaches a server that listens on `host` and `port`."""
    return f"http://{reachable(host)}:{port}"


def ports(host: str, *wanted: int) -> list[int]:
    """Return the `wanted` ports, with a free port in place of each 0.

    Raises CannotRun: a port is in use.
    """
    with ExitStack() as probes:
        return [_port(probes.enter_context(socket.socket()), host, port) for port in wanted]


def is_free(host: str, port: int) -> bool:
    """Return whether a server can listen on `host` and `port`."""
    try:
        ports(host, port)
    except CannotRun:
        return False
    return True


def _port(probe: socket.socket, host: str, port: int) -> int:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CannotRun(f"Port {port} of {host} cannot be used: {reason}.") from None
    free: int = probe.getsockname()[1]
    return free


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_on_signals() -> None:
    """Let Ctrl-C, SIGTERM and a closed terminal raise SystemExit(0). A second signal is ignored."""

    def end(number: int, frame: object) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(0)

    for each in SIGNALS:
        signal.signal(each, end)


@contextmanager
def signals_held() -> Iterator[None]:
    """Let the signals wait that end this process until the end of the block.

    An exception in the middle of Popen.poll would leave its lock locked, and a fork could begin with the handlers of
    this process.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
