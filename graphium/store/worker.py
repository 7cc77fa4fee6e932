"""A worker process: reads jobs from stdin, writes segments, answers on stdout.

A job is one line of JSON, followed by ``bytes`` bytes of an Arrow stream with its rows. Answers are
lines of JSON: ``{"rows": n}`` while it works, then ``{"result": ...}`` or ``{"error": ...}``.
Neither torch nor the program that started the preparation is imported here.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from graphium.config.data import Hydrogens
from graphium.errors import DataError, GraphiumError
from graphium.labels.columns import read_smiles
from graphium.molecules.featurize import featurize_chunk
from graphium.molecules.written import written_orders
from graphium.store.owner import hold_name
from graphium.store.records import Plan
from graphium.store.segment import SegmentJob, write_segment

Report = Callable[[int], None]


def main() -> None:
    """Work until stdin ends, which it also does when the parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever libraries print is no answer

    def answer(**content: Any) -> None:
        answers.write(json.dumps(content).encode() + b"\n")
        answers.flush()

    try:
        for job, rows in _read_jobs(sys.stdin.buffer):
            try:
                answer(result=_do(job, rows, lambda count: answer(rows=count)))
            except BrokenPipeError:
                raise
            except (GraphiumError, OSError) as error:
                answer(error=str(error), is_data=isinstance(error, DataError))
    except BrokenPipeError:
        os._exit(1)  # nobody listens any more; a normal exit would try to flush to them


def _read_jobs(stream: IO[bytes]) -> Any:
    for line in stream:
        job = json.loads(line)
        with pa.ipc.open_stream(stream.read(job["bytes"])) as reader:
            yield job, reader.read_all()


def _do(job: dict[str, Any], rows: pa.Table, report: Report) -> Any:
    match job["kind"]:
        case "segment":
            return _write_segment(job, rows, report)
        case "sizes":
            return _count_atoms_and_bonds(job["hydrogens"], rows, report)
        case "keys":
            return {
                "number": job["number"],
                "keys": _make_keys(job["key"], job["of"], rows, report),
            }
        case _:
            raise AssertionError(job["kind"])


def _write_segment(job: dict[str, Any], rows: pa.Table, report: Report) -> bool:
    store = Path(job["store"])
    handle = hold_name(store, job["writer"])
    if handle is None:
        raise DataError(f"The process that prepares {store} has gone.")
    try:
        plan = Plan.model_validate(job["plan"])
        segment = SegmentJob(store, plan, job["number"], job["writer"])
        return write_segment(segment, rows, report)
    finally:
        os.close(handle)


def _count_atoms_and_bonds(
    hydrogens: Hydrogens, rows: pa.Table, report: Report
) -> dict[str, list[Any]]:
    """Return the accepted rows, and the atoms and bonds of their graphs and of their texts."""
    smiles = read_smiles(rows.column(0).combine_chunks())
    chunk = featurize_chunk(smiles, hydrogens, ranks=False)
    accepted = [text for row in chunk.rows.tolist() if (text := smiles[row]) is not None]
    atoms, bonds = chunk.block.num_atoms.tolist(), chunk.block.num_bonds.tolist()
    orders = written_orders(accepted, hydrogens)
    report(rows.num_rows)
    return {
        "rows": chunk.rows.tolist(),
        "atoms": [(n, n if o is None else o.num_atoms) for n, o in zip(atoms, orders, strict=True)],
        "bonds": [(n, n if o is None else o.num_bonds) for n, o in zip(bonds, orders, strict=True)],
    }


def _make_keys(key: str, kind: Any, rows: pa.Table, report: Report) -> list[str]:
    from graphium.molecules.identity import join_key, split_key
    from graphium.molecules.scaffold import scaffold_smiles

    smiles = rows.column(0).to_pylist()
    match key:
        case "join":
            keys = [join_key(text, kind) for text in smiles]
        case "split":
            keys = [split_key(text, kind) for text in smiles]
        case "scaffold":
            keys = [scaffold_smiles(text) for text in smiles]
        case _:
            raise AssertionError(key)
    report(rows.num_rows)
    return keys


if __name__ == "__main__":
    main()
