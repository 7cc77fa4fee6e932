"""Processes that map one mix share its memory: as many ranks as one likes, one copy."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from graphium.batching.kept import keep
from graphium.batching.mix_data import SourceRows
from graphium.batching.task_data import TaskData
from graphium.testing.toy import toy_mix

MOLECULES, LABELS = 8_000, 2_500
DATA_MB = MOLECULES * LABELS * 4 / 2**20
SHARE_MB = 20
"""What a process needs for itself: the batch under way, offsets, pages of libraries."""

RANK = """
import sys
from pathlib import Path
import numpy as np
from graphium.batching.kept import read_kept
from graphium.batching.maker import HostMaker

print("ready", flush=True)
sys.stdin.readline()
mix = read_kept(Path(sys.argv[1]), [], mapped=True)
make, labels = HostMaker(mix.graphs, mix.tasks), 0
for first in range(0, len(mix.part), 500):
    molecules = np.arange(first, first + 500)
    labels += make(molecules, molecules).labels["wide"].values.numel()
print(labels, flush=True)
sys.stdin.readline()
"""


def wide_mix():
    """Molecules of one atom each, with 76 MB of labels."""
    toy = toy_mix()
    rows = np.arange(MOLECULES)
    spec = next(task.spec for task in toy.tasks.values() if task.spec.level == "graph")
    spec = spec.model_copy(
        update={"name": "wide", "labels": [f"y{k}" for k in range(LABELS)], "loss": "mse"}
    )
    values = np.random.default_rng(0).random((MOLECULES, LABELS), np.float32)
    ones = np.ones(MOLECULES, np.float32)
    return dataclasses.replace(
        toy,
        graphs=dataclasses.replace(
            toy.graphs,
            atom_offset=np.arange(MOLECULES + 1),
            bond_offset=np.zeros(MOLECULES + 1, np.int64),
            atom_code=np.zeros(MOLECULES, np.int32),
            bond_code=np.zeros(0, np.int32),
            bond_ends=np.zeros((0, 2), np.uint16),
            encodings={},
            bond_encodings={},
        ),
        tasks={"wide": TaskData(spec, rows, np.arange(MOLECULES + 1), values, ones, rows)},
        part=np.zeros(MOLECULES, np.uint8),
        dataset=np.zeros(MOLECULES, np.int16),
        source_row=rows,
        sources={"toy": SourceRows(rows, rows)},
        contradictions={},
    )


def pss_mb(process):
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def growth_mb(folder, ranks):
    """By how much so many processes grow together when they open the mix and read all of it."""
    command = [sys.executable, "-c", RANK, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(ranks)]
    try:
        assert [one.stdout.readline() for one in processes] == ["ready\n"] * ranks
        before = sum(map(pss_mb, processes))
        for one in processes:
            one.stdin.write("go\n")
            one.stdin.flush()
        read = [int(one.stdout.readline()) for one in processes]
        assert read == [MOLECULES * LABELS] * ranks
        return sum(map(pss_mb, processes)) - before
    finally:
        for one in processes:
            one.communicate("end\n")


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").is_file(), reason="needs Linux's figures of shared memory"
)
def test_four_ranks_that_map_a_mix_need_little_more_memory_than_one(tmp_path):
    keep(tmp_path / "mix", wide_mix())

    one, four = (growth_mb(tmp_path / "mix", ranks) for ranks in (1, 4))

    assert one > 0.9 * DATA_MB, "all of it was read"
    assert four - one <= 0.1 * DATA_MB + 3 * SHARE_MB, f"{one:.0f} MB for 1, {four:.0f} MB for 4"
