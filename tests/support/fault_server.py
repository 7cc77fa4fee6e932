"""Processes that are there to be killed: forked from one that has imported everything already.

Reads one order a line from stdin, as JSON, and answers with the pid of the process that carries it
out, and then with its exit status (negative for a signal).
"""

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from in_process import EncodesInProcess, InProcess, RacedInProcess, prepare_here

from graphium.config.data import DatasetConfig
from graphium.config.encodings import LaplacianConfig
from graphium.config.keys import KeysConfig
from graphium.molecules import compiled, featurize
from graphium.store import parts
from graphium.store.add_encoding import add_encoding
from graphium.store.encodings import plan_encoding
from graphium.store.fault_points import VARIABLE
from graphium.store.keys import build_keys
from graphium.store.portions import Division, Part
from graphium.store.prepare import agree_on_plan
from graphium.store.read import open_store

assert compiled, featurize  # imported so that they need not be again


def _prepare(order: dict[str, Any]) -> None:
    prepare_here(Path(order["table"]), Path(order["root"]), order["rows"])


def _race(order: dict[str, Any]) -> None:
    prepare_here(Path(order["table"]), Path(order["root"]), order["rows"], RacedInProcess())


def _part(order: dict[str, Any]) -> None:
    """Make the first of two parts here, then the store."""

    def agree(dataset: Any, source: Any, pool: Any, _: None, *rest: Any) -> Any:
        return agree_on_plan(dataset, source, pool, order["rows"], *rest)

    parts.WorkerPool, parts.agree_on_plan = _Pool, agree  # type: ignore[misc, assignment]
    division = Division("graphium data prepare table.csv", ".", 2)
    config = DatasetConfig(table=order["table"])
    parts.prepare_part({"table": config}, Path(order["root"]), Part(1, 2), division)
    _prepare(order)


class _Pool(InProcess):
    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *_: Any) -> None:
        pass


def _keys(order: dict[str, Any]) -> None:
    store = open_store(prepare_here(Path(order["table"]), Path(order["root"]), order["rows"]))
    build_keys([store], Path(order["root"]), KeysConfig(), scaffolds=False)


def _grow(order: dict[str, Any]) -> None:
    """Prepare the rows of two segments undisturbed, and then the table that has more."""
    table, root, rows = Path(order["table"]), Path(order["root"]), order["rows"]
    first = root.parent / f"{root.name}-first" / table.name
    first.parent.mkdir(exist_ok=True)
    lines = table.read_text().splitlines(keepends=True)
    first.write_text("".join(lines[: 1 + 2 * rows]))
    fault = os.environ.pop(VARIABLE, None)
    prepare_here(first, root, rows)
    if fault is not None:
        os.environ[VARIABLE] = fault
    _prepare(order)


def _encode(order: dict[str, Any]) -> None:
    """Prepare undisturbed, and then add an encoding."""
    fault = os.environ.pop(VARIABLE, None)
    path = prepare_here(Path(order["table"]), Path(order["root"]), order["rows"])
    if fault is not None:
        os.environ[VARIABLE] = fault
    store = open_store(path)
    plan = plan_encoding(store.record, "laplacian", LaplacianConfig(k=4), "float32")
    add_encoding(store, plan, EncodesInProcess())


_ORDERS = {
    "prepare": _prepare,
    "race": _race,
    "part": _part,
    "keys": _keys,
    "grow": _grow,
    "encode": _encode,
}


def main() -> None:
    os.fsync = lambda _: None  # nobody cuts the power here
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _carry_out(order)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _carry_out(order: dict[str, Any]) -> None:
    if "fault" in order:
        os.environ[VARIABLE] = json.dumps(order["fault"])
    status = 1
    try:
        _ORDERS[order["what"]](order)
        status = 0
    finally:  # nothing of a child may go on in the server
        if status:
            traceback.print_exc()
        os._exit(status)


class FaultServer:
    """The server, from outside."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def start(self, what: str, table: Path, root: Path, rows: int, **fault: Any) -> int:
        """Start a process and return its pid."""
        order: dict[str, Any] = {"what": what, "table": str(table), "root": str(root), "rows": rows}
        if fault:
            order["fault"] = fault
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """Return the exit status of the process that was started last."""
        return self._answer()

    def run(self, what: str, table: Path, root: Path, rows: int, **fault: Any) -> int:
        """Start a process and return its exit status."""
        self.start(what, table, root, rows, **fault)
        return self.wait()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


if __name__ == "__main__":
    main()
