"""Processes that are forked from one that has imported what they need, instead of started anew.

Importing is most of what a short process does: a second for a worker that prepares data, seven for
a run that trains. A ``Template`` imports once; each process that is forked from it has its own pid,
pipes, environment, working directory, limits and end, and can be killed or stopped like any other.
What Python and the libraries read when they start (``sitecustomize``, numbers of threads) is that
of the template: there is one for each environment that differs in this.

Workers of ``graphium.store`` are forked so where ``ForkedWorkers`` stand for ``subprocess``, and in
processes that are started with ``workers=True``.

Run as a program, this file is the template.
"""

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import IO, Any

READ_LATE = ("GRAPHIUM_", "PYTEST_", "WANDB_", "HURT", "PWD")
"""Beginnings of the variables that nothing reads on import."""
LONGEST = 1 << 17
"""Bytes of an order."""
MOST = 3
"""Templates that wait at the same time."""
_WORK = "from graphium.store.worker import main; main()"
NUMBER = struct.Struct("=i")


class Forked:
    """A process, used like a ``subprocess.Popen``."""

    def __init__(self, fate: int, pipes: Mapping[int, int], *, text: bool) -> None:
        self._fate = fate
        self.pid: int = NUMBER.unpack(os.read(fate, NUMBER.size))[0]
        self.returncode: int | None = None
        modes = ("w", "r", "r") if text else ("wb", "rb", "rb")
        self.stdin: IO[Any] | None
        self.stdout: IO[Any] | None
        self.stderr: IO[Any] | None
        self.stdin, self.stdout, self.stderr = (
            os.fdopen(pipes[number], mode) if number in pipes else None
            for number, mode in enumerate(modes)
        )

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit code, or minus the signal."""
        if self.returncode is None:
            if not select.select([self._fate], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("forked", timeout or 0)
            told = os.read(self._fate, NUMBER.size)
            os.close(self._fate)
            self.returncode = os.waitstatus_to_exitcode(NUMBER.unpack(told)[0])
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code if there is one."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(timeout=0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 600) -> tuple[Any, None]:
        """Read the output to its end; return it and the place of the errors."""
        assert self.stdout is not None, "the output is a pipe"
        assert self.stdin is None, "there is none to write to"
        assert self.stderr is None, "errors are read with the output"
        ends, parts = time.monotonic() + timeout, []
        while True:
            left = max(0.0, ends - time.monotonic())
            if not select.select([self.stdout], [], [], left)[0]:
                raise subprocess.TimeoutExpired("forked", timeout)
            if not (part := os.read(self.stdout.fileno(), 1 << 16)):
                break
            parts.append(part)
        self.stdout.close()
        self.wait(timeout=max(0.0, ends - time.monotonic()))
        whole = b"".join(parts)
        return (whole.decode() if "b" not in self.stdout.mode else whole), None


class Template:
    """A process that has imported modules and waits to be copied (Linux).

    Args:
        orders: Where it takes orders.
        process: The process, where it is ours.
    """

    def __init__(
        self, orders: socket.socket, process: "subprocess.Popen[bytes] | None" = None
    ) -> None:
        self._orders, self._process = orders, process

    @classmethod
    def of(cls, modules: Sequence[str], environment: Mapping[str, str]) -> "Template":
        """Start one that imports these modules."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno()), *modules],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        return cls(ours, process)

    def start(
        self,
        code: str,
        arguments: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        pass_fds: Sequence[int] = (),
        text: bool = False,
        workers: bool = False,
    ) -> Forked:
        """Fork a process that executes ``code``; options as of ``subprocess.Popen``.

        With ``workers``, the workers that it needs are forked from this template, too.
        """
        ours, theirs = {}, []
        for number, wish in enumerate((stdin, stdout, stderr)):
            if wish == subprocess.PIPE:
                read, write = os.pipe()
                ours[number], their = (write, read) if number == 0 else (read, write)
            elif wish == subprocess.STDOUT:
                their = os.dup(theirs[1])
            else:
                assert wish is None, "pipes, and what is inherited"
                their = os.dup(number)
            theirs.append(their)
        fate, their_fate = os.pipe()
        order = {
            "code": code,
            "arguments": list(arguments),
            "environment": dict(os.environ if env is None else env),
            "folder": os.fspath(cwd or Path.cwd()),
            "numbers": [0, 1, 2, *pass_fds],
        }
        given = [their_fate, *theirs]
        again = [self._orders.fileno()] if workers else []
        handles = [*given, *pass_fds, *again]
        socket.send_fds(self._orders, [json.dumps(order).encode()], handles)
        for handle in given:
            os.close(handle)
        return Forked(fate, ours, text=text)

    def close(self) -> None:
        """Let the template end; what was forked from it goes on."""
        self._orders.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Templates:
    """Templates with the same modules, one for each environment that matters to them."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = modules
        self._started: dict[frozenset[tuple[str, str]], Template] = {}
        self._lock = threading.Lock()

    def of(self, environment: Mapping[str, str]) -> Template:
        """Return the template that has imported in the same environment."""
        read = frozenset(kv for kv in environment.items() if not kv[0].startswith(READ_LATE))
        with self._lock:
            if read not in self._started:
                if len(self._started) == MOST:
                    # The first one is that of most tests.
                    self._started.pop(list(self._started)[1]).close()
                self._started[read] = Template.of(self._modules, environment)
            return self._started[read]

    def close(self) -> None:
        """Let all end."""
        for template in self._started.values():
            template.close()


class ForkedWorkers:
    """Stands for ``subprocess`` where workers are started."""

    PIPE = subprocess.PIPE

    def __init__(self, template: Callable[[Mapping[str, str]], Template]) -> None:
        self._template = template

    def Popen(  # noqa: N802  # as there
        self, command: Sequence[str], *, env: Mapping[str, str], **options: Any
    ) -> Forked:
        """Fork what would have been started."""
        assert command[1:] == ["-P", "-m", "graphium.store.worker"]
        return self._template(env).start(_WORK, env=env, **options)


def _serve(orders: socket.socket, modules: Sequence[str]) -> None:
    """Fork a process for each order, until nobody can give one."""
    for module in modules:
        import_module(module)
    os.fsync = lambda _: None  # nobody cuts the power here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C for the tests is none for the template
    while True:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # keepers that have ended
                pass
        message, handles, _, _ = socket.recv_fds(orders, LONGEST, 64)
        if not message:
            return
        if os.fork() == 0:
            orders.close()
            _keep(json.loads(message), handles)
        for handle in handles:
            os.close(handle)


def _keep(order: Mapping[str, Any], handles: Sequence[int]) -> None:
    """Fork the process itself; tell its pid and how it ended."""
    fate, *given = handles
    if (pid := os.fork()) == 0:
        os.close(fate)
        _become(order, given)
    for handle in given:
        os.close(handle)
    with suppress(BrokenPipeError):
        os.write(fate, NUMBER.pack(pid))
        os.write(fate, NUMBER.pack(os.waitpid(pid, 0)[1]))
    os._exit(0)


def _become(order: Mapping[str, Any], given: Sequence[int]) -> None:
    """Be the process that was asked for."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    above = 1 + max([*given, *order["numbers"]])
    for shift, handle in enumerate(given):  # out of the way of the numbers that are asked for
        os.dup2(handle, above + shift)
        os.close(handle)
    for shift, number in enumerate(order["numbers"]):
        os.dup2(above + shift, number)
        os.close(above + shift)
    if len(given) > len(order["numbers"]):
        template = Template(socket.socket(fileno=above + len(order["numbers"])))
        process = import_module("graphium.store.process")
        vars(process)["subprocess"] = ForkedWorkers(lambda _: template)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    sys.argv = ["-c", *order["arguments"]]
    sys.excepthook = _fail
    try:
        exec(order["code"], {"__name__": "__main__"})
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        _leave(error.code if isinstance(error.code, int) else int(error.code is not None))
    _leave(0)


def _fail(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """End as Python does after an error that nobody caught."""
    traceback.print_exception(kind, error, trace)
    if isinstance(error, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    _leave(1)


def _leave(code: int) -> None:
    """End as Python does, but for taking apart each module: that costs a quarter of a second."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
