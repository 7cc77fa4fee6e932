"""A worker process: reads jobs from stdin, writes segments, answers on stdout.

The first line says where to write the row that is being worked on, and how much memory there is.
A job is one line of JSON, followed by ``bytes`` bytes of an Arrow stream with its rows. Answers are
lines of JSON: ``{"rows": n}`` while it works, then ``{"result": ..., "bytes": m}``, with m bytes
after it, or ``{"error": ...}``, or ``{"memory": true}`` as the last word of a worker that has taken
more than it may (``watch.py``).

Rows that the job lists as ``refused`` are never touched. A job with ``screen`` does all work on the
molecules from one row to another, each alone, and gives no result: it only has to survive.
Neither torch nor the program that started the preparation is imported here.
"""

import json
import mmap
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from graphium.config.data import ConformersConfig
from graphium.errors import DataError, GraphiumError
from graphium.graphs.mol_block import RowStatus
from graphium.labels.columns import read_smiles
from graphium.molecules.featurize import FeaturizedChunk, featurize_chunk
from graphium.molecules.written import written_orders
from graphium.store.chunk_bytes import pack_chunk
from graphium.store.disk_errors import describe
from graphium.store.encodings import EncodingPlan
from graphium.store.faults import planned_faults
from graphium.store.limits import Refusals, refusals_from_json
from graphium.store.owner import hold_name
from graphium.store.records import Plan
from graphium.store.segment import SegmentJob, try_row, write_segment
from graphium.store.segment_encoding import EncodingJob, write_encoding
from graphium.store.structures import read_structures
from graphium.store.watch import BEAT, Watch

Report = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Task:
    """A job as it was received."""

    job: dict[str, Any]
    """Kind and options."""
    plan: Plan | None
    """Of segments."""
    rows: pa.Table
    refused: Refusals
    watch: Watch
    report: Report


@dataclass(frozen=True, slots=True)
class _Answer:
    result: Any = None
    content: bytes = b""


def main() -> None:
    """Work until stdin ends, which it also does when the parent dies."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(signum, signal.SIG_IGN)  # a scheduler sends them to all; the parent decides
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever libraries print is no answer
    terms = json.loads(sys.stdin.buffer.readline() or b"{}")
    if not terms:
        return  # no job was ever given
    watch = Watch(mmap.mmap(terms["beat"], BEAT.size), terms["memory"], planned_faults())

    def answer(content: bytes = b"", **line: Any) -> None:
        answers.write(json.dumps(line).encode() + b"\n" + content)
        answers.flush()

    try:
        for job, rows in _read_jobs(sys.stdin.buffer):
            plan = Plan.model_validate(job["plan"]) if "plan" in job else None
            refused = refusals_from_json(job["refused"])
            try:
                done = _do(_Task(job, plan, rows, refused, watch, lambda count: answer(rows=count)))
                answer(done.content, result=done.result, bytes=len(done.content))
            except BrokenPipeError:
                raise
            except MemoryError:
                answer(memory=True)
                break
            except GraphiumError as error:
                answer(error=str(error), is_data=isinstance(error, DataError))
            except OSError as error:
                what = describe(error, Path(job["store"])) if "store" in job else str(error)
                answer(error=what, is_data=False)
    except BrokenPipeError:
        os._exit(1)  # nobody listens any more; a normal exit would try to flush to them


def _read_jobs(stream: IO[bytes]) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    for line in stream:
        job = json.loads(line)
        with pa.ipc.open_stream(stream.read(job["bytes"])) as reader:
            yield job, reader.read_all()


def _do(task: _Task) -> _Answer:
    if "screen" in task.job:
        with task.watch.working():
            _screen(task)
        return _Answer()
    if task.job["kind"] == "segment":
        return _Answer(_write_segment(task))
    if task.job["kind"] == "encoding":
        return _Answer(_write_encoding(task))
    with task.watch.working():
        return _compute(task)


def _screen(task: _Task) -> None:
    first, end = task.job["screen"]
    plan, silent = task.plan, task.watch.silent()
    if plan is not None and plan.computes:
        import_module("graphium.molecules.computed")  # the first row does not pay for it
    smiles = _smiles(task)
    for row in range(first, end):
        if row in task.refused:
            continue
        task.watch.at(row, smiles[row])
        alone = task.rows.slice(row, 1)
        if plan is None:
            _compute(replace(task, rows=alone, refused={}, watch=silent))
        else:
            try_row(plan, plan.first_row_of(task.job["number"]) + row, alone, silent)


def _compute(task: _Task) -> _Answer:
    """Do the part of a job that works on molecules."""
    match task.job["kind"]:
        case "featurize":
            return _Answer(content=pack_chunk(_featurize(task)))
        case "sizes":
            return _Answer(_count_atoms_and_bonds(task))
        case "keys":
            return _Answer({"number": task.job["number"], "keys": _make_keys(task)})
        case _:
            raise AssertionError(task.job["kind"])


def _smiles(task: _Task) -> list[str | None]:
    column = 0 if task.plan is None else task.plan.smiles
    return read_smiles(task.rows.column(column).combine_chunks())


def _watched(task: _Task) -> Sequence[str | None]:
    """Return the SMILES, None for refused rows."""
    smiles = _smiles(task)
    readable = [None if row in task.refused else text for row, text in enumerate(smiles)]
    return task.watch.over(readable, range(len(readable)))


def _write_segment(task: _Task) -> bool:
    store, writer = Path(task.job["store"]), task.job["writer"]
    handle = hold_name(store, writer)
    if handle is None:
        raise DataError(f"The process that prepares {store} has gone.")
    try:
        assert task.plan is not None, "segments have one"
        segment = SegmentJob(store, task.plan, task.job["number"], writer)
        return write_segment(segment, task.rows, task.refused, task.watch, task.report)
    finally:
        os.close(handle)


def _write_encoding(task: _Task) -> bool:
    plan = EncodingPlan.model_validate(task.job["encoding"])
    job = EncodingJob(Path(task.job["store"]), plan, task.job["number"], task.job["writer"])
    return write_encoding(job, task.report)


def _featurize(task: _Task) -> FeaturizedChunk:
    """Featurize the rows for a prediction; a mol block keeps its order of atoms and bonds."""
    how = task.job.get("conformers")
    chunk = featurize_chunk(
        _watched(task),
        task.job["hydrogens"],
        ranks=False,
        conformers=None if how is None else ConformersConfig.model_validate(how),
    )
    status = chunk.status.copy()
    for row, refusal in task.refused.items():
        status[row] = refusal.status
    task.report(task.rows.num_rows)
    return replace(chunk, status=status, rows=np.flatnonzero(status == RowStatus.OK))


def _count_atoms_and_bonds(task: _Task) -> dict[str, list[Any]]:
    """Return the accepted rows, and the atoms and bonds of their graphs and of their texts."""
    given = read_structures(
        _smiles(task),
        task.refused,
        task.watch,
        has_coordinates=task.job.get("has_coordinates", False),
    )
    smiles, hydrogens = given.smiles, task.job["hydrogens"]
    readable = [None if row in given.refused else text for row, text in enumerate(smiles)]
    chunk = featurize_chunk(task.watch.over(readable, range(len(readable))), hydrogens, ranks=False)
    task.report(task.rows.num_rows)
    rows = chunk.rows.tolist()
    accepted = [text for row in rows if (text := smiles[row]) is not None]
    orders = written_orders(task.watch.over(accepted, rows), hydrogens)
    atoms, bonds = chunk.block.num_atoms.tolist(), chunk.block.num_bonds.tolist()
    return {
        "rows": rows,
        "atoms": [(n, n if o is None else o.num_atoms) for n, o in zip(atoms, orders, strict=True)],
        "bonds": [(n, n if o is None else o.num_bonds) for n, o in zip(bonds, orders, strict=True)],
    }


def _make_keys(task: _Task) -> list[str]:
    """Return the key of each molecule; a refused one is the same as no other writing of it."""
    from graphium.molecules.identity import join_key, split_key
    from graphium.molecules.scaffold import scaffold_smiles

    of = task.job["of"]
    make: dict[str, Callable[[str], str]] = {
        "join": lambda text: join_key(text, of),
        "split": lambda text: split_key(text, of),
        "scaffold": scaffold_smiles,
    }
    key = make[task.job["key"]]
    smiles = _smiles(task)
    keys = [
        f"not canonical: {smiles[row]}" if text is None else key(text)
        for row, text in enumerate(_watched(task))
    ]
    task.report(task.rows.num_rows)
    return keys


if __name__ == "__main__":
    main()
