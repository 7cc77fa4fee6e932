"""Are the molecules of a million rows those that canonical SMILES of every row would give?

Rows of a table, and some of them written anew (atoms in another order, other Kekule forms, atom
maps, hydrogens, fragments turned round), become a store and a key index by the commands that users
run. Its groups are compared with those by canonical SMILES of every row, made here by RDKit alone.
Prints one JSON object:

* ``join``, ``split``: groups by our keys, by RDKit and by hash; ``merges``: groups of ours that
  hold several of RDKit's; ``splits``: groups of RDKit's that stand in several of ours. Both must
  be 0.
* ``rewritten``: rows written anew that we part from their source; those that RDKit's canonical
  SMILES parts too are its own doing, and those of another hash would be ours. The latter must be 0.
* ``unstable``: rows whose canonical SMILES changes when it is read and written again (rdkit#8775).

Run: python benchmarks/identity.py [--rows N] [--workers 2] [--rewritten 50000] [--table FILE]
"""

import argparse
import json
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rdkit import Chem, rdBase

from graphium.config.data import DatasetConfig
from graphium.config.keys import KeysConfig
from graphium.store.grouping import number_equal, text_digest
from graphium.store.keys import KeyIndex, build_keys, load_keys
from graphium.store.prepare import prepare_dataset
from graphium.store.read import Store, open_store

CHUNK = 2_000
EXAMPLES = 5


def read_smiles(table: Path, rows: int | None) -> list[str]:
    """Return the SMILES of a parquet file, or that many rows from anywhere in it."""
    column = pq.read_table(table, columns=["smiles"]).column(0)
    if rows is not None and rows < len(column):
        column = column.take(np.sort(np.random.default_rng(1).permutation(len(column))[:rows]))
    return [text for chunk in column.chunks for text in chunk.to_pylist()]


def write_anew(job: tuple[int, list[str]]) -> list[str | None]:
    """Return other writings of some SMILES; None where RDKit cannot read one."""
    seed, smiles = job
    rdBase.DisableLog("rdApp.*")
    random_ = random.Random(seed)
    return [_write_anew(text, random_) for text in smiles]


def _write_anew(smiles: str, random_: random.Random) -> str | None:
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        return None
    match random_.randrange(6):
        case 0:  # maps on all atoms: on some they would make stereo
            for atom in mol.GetAtoms():
                atom.SetAtomMapNum(atom.GetIdx() + 1)
        case 1:
            mol = Chem.AddHs(mol)
        case 2:
            Chem.Kekulize(mol, clearAromaticFlags=True)
        case 3 if "." in smiles:
            return ".".join(reversed(smiles.split(".")))
    return str(Chem.MolToRandomSmilesVect(mol, 1, randomSeed=random_.randrange(1, 10**6))[0])


def truth(smiles: list[str]) -> list[tuple[str, str, bool]]:
    """Return canonical SMILES, that of the largest fragment without stereo, and whether stable."""
    rdBase.DisableLog("rdApp.*")
    return [_truth(text) for text in smiles]


def _truth(smiles: str) -> tuple[str, str, bool]:
    mol = Chem.MolFromSmiles(smiles)
    if any(atom.GetAtomMapNum() for atom in mol.GetAtoms()):
        for atom in mol.GetAtoms():
            atom.SetAtomMapNum(0)
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    canonical = Chem.MolToSmiles(mol)
    again = Chem.MolFromSmiles(canonical)
    is_stable = again is not None and Chem.MolToSmiles(again) == canonical
    for atom in mol.GetAtoms():
        atom.SetIsotope(0)
    Chem.RemoveStereochemistry(mol)
    flat = Chem.MolToSmiles(Chem.RemoveHs(mol, sanitize=False))
    parts = [(Chem.MolFromSmiles(part, sanitize=False), part) for part in flat.split(".")]
    most = max(part.GetNumHeavyAtoms() for part, _ in parts)
    largest = min(text for part, text in parts if part.GetNumHeavyAtoms() == most)
    return canonical, largest, is_stable


def in_chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def compare(
    ours: np.ndarray, theirs: np.ndarray, hashes: np.ndarray, smiles: Sequence[str]
) -> dict[str, object]:
    """Count where two ways to group T rows differ.

    Args:
        ours: [T] numbers of groups.
        theirs: [T] numbers of groups.
        hashes: [T] numbers of equal hashes.
        smiles: [T] SMILES, for examples.
    """
    merges, merged = _divided(ours, theirs, smiles)
    splits, parted = _divided(theirs, ours, smiles)
    return {
        "groups": len(np.unique(ours)),
        "canonical_groups": len(np.unique(theirs)),
        "hash_groups": len(np.unique(hashes)),
        "rows_in_groups_of_several": int((np.bincount(ours)[ours] > 1).sum()),
        "merges": merges,
        "splits": splits,
        "splits_by_hash": _divided(theirs, hashes, smiles)[0],
        "examples": {"merges": merged, "splits": parted},
    }


def _divided(
    whole: np.ndarray, parts: np.ndarray, smiles: Sequence[str]
) -> tuple[int, list[list[str]]]:
    """Return how many groups of ``whole`` have rows of several ``parts``, and examples."""
    _, first = np.unique(np.stack([whole, parts], axis=1), axis=0, return_index=True)
    several = np.flatnonzero(np.bincount(whole[first]) > 1)
    examples = [
        [smiles[row] for row in first[whole[first] == group]] for group in several[:EXAMPLES]
    ]
    return len(several), examples


def check_rewritten(
    index: KeyIndex,
    canonical: np.ndarray,
    hashes: np.ndarray,
    pairs: np.ndarray,
    smiles: Sequence[str],
) -> dict[str, object]:
    """Compare rows [P, 2]: a source and its other writing."""
    source, other = pairs.T
    parted = index.molecule[source] != index.molecule[other]
    by_rdkit = canonical[source] != canonical[other]
    split = index.split_group[source] != index.split_group[other]
    return {
        "pairs": len(pairs),
        "parted": int(parted.sum()),
        "parted_by_canonical_smiles_too": int((parted & by_rdkit).sum()),
        "parted_by_hash": int((hashes[source] != hashes[other]).sum()),
        "parted_by_split_key": int(split.sum()),
        "examples": [[smiles[a], smiles[b]] for a, b in pairs[parted][:EXAMPLES]],
    }  # fmt: skip


def cpu_seconds() -> float:
    """Return processor time of this process and of all that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    wall, cpu = time.perf_counter(), cpu_seconds()
    result = work()
    took = {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_seconds() - cpu}
    return result, {name: round(seconds, 2) for name, seconds in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, help="of the table; all by default")
    parser.add_argument("--rewritten", type=int, default=50_000, help="rows to write anew")
    parser.add_argument("--workers", type=int, default=2)
    data = Path(os.environ.get("GRAPHIUM_TEST_DATA", "."))
    parser.add_argument("--table", type=Path, default=data / "smiles" / "smiles_pool.parquet")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(options, Path(folder)), indent=2))


def run(options: argparse.Namespace, root: Path) -> dict[str, object]:
    given = read_smiles(options.table, options.rows)
    chosen = np.random.default_rng(0).permutation(len(given))[: options.rewritten]
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        jobs = [(i, [given[row] for row in rows]) for i, rows in enumerate(in_chunks(chosen))]
        anew = [text for some in pool.map(write_anew, jobs) for text in some]
    kept = [i for i, text in enumerate(anew) if text is not None]
    table = pa.table({"smiles": [*given, *(anew[i] for i in kept)]})
    table = table.append_column("y", pa.array(np.zeros(table.num_rows, np.float32)))
    pq.write_table(table, root / "rows.parquet")
    del table, anew

    config, keys = DatasetConfig(table=str(root / "rows.parquet")), KeysConfig()
    path, preparing = timed(lambda: prepare_dataset("pool", config, root, workers=options.workers))
    store: Store = open_store(path)
    _, indexing = timed(
        lambda: build_keys([store], root, keys, scaffolds=False, workers=options.workers)
    )
    index, loading = timed(lambda: load_keys([store], root, keys))

    smiles, rows = store.smiles(), store.source_rows()
    block = store.graphs()
    join_hash, split_hash = number_equal(block.join_hash), number_equal(block.split_hash)
    del block
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        canonical, largest, stable = _number_truth(pool.map(truth, in_chunks(smiles)), len(smiles))
    pairs = np.stack([chosen[kept], len(given) + np.arange(len(kept))], axis=1)
    pairs = pairs[np.isin(pairs, rows).all(axis=1)]
    unstable = np.flatnonzero(~stable)
    return {
        "rows": len(given) + len(kept),
        "molecules": len(smiles),
        "join": compare(index.molecule, canonical, join_hash, smiles),
        "split": compare(index.split_group, largest, split_hash, smiles),
        "rewritten": check_rewritten(
            index, canonical, join_hash, np.searchsorted(rows, pairs), smiles
        ),
        "unstable": {
            "rows": len(unstable),
            "examples": [smiles[row] for row in unstable[:EXAMPLES]],
        },
        "seconds": {"prepare": preparing, "build_keys": indexing, "load_keys": loading},
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _number_truth(
    chunks: Iterator[list[tuple[str, str, bool]]], count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return numbers of both forms of T molecules, and whether the first is stable."""
    digests = np.empty((2, count, 2), np.uint64)
    stable = np.empty(count, bool)
    row = 0
    for chunk in chunks:
        for canonical, largest, is_stable in chunk:
            digests[0, row], digests[1, row] = text_digest(canonical), text_digest(largest)
            stable[row] = is_stable
            row += 1
    return number_equal(digests[0]), number_equal(digests[1]), stable


if __name__ == "__main__":
    main()
