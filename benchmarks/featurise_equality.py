"""Is the decoder equal to RDKit's getters? Every property of every atom and bond is compared.

Reads three real tables below $GRAPHIUM_TEST_DATA: all of zinc250k and MUV, and 100,000 molecules
of the pool, drawn with a seed. Prints one line of JSON for each; run it under a version of RDKit
before adding that version to ``TESTED_RDKIT`` in graphium/molecules/fast_path.py.

It also compares what the plain steps of parsing make with what ``Chem.MolFromSmiles`` makes, byte
for byte in RDKit's serialisation, and the compiled decoder with the one in numpy.

Run: python benchmarks/featurise_equality.py [rows of each table]
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
from rdkit import Chem, rdBase

from graphium.graphs.mol_block import RowStatus
from graphium.molecules import getters
from graphium.molecules.compiled import load_kernels
from graphium.molecules.fast_path import SELF_TEST, ChunkReader, agrees_with_getters
from graphium.molecules.getters import ChunkProperties
from graphium.molecules.parse import parse_graphs

CHUNK = 2_000
POOL_ROWS = 100_000


def tables(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each table and its SMILES."""
    for name in ("smiles/zinc250k.parquet", "smiles/smiles_pool.parquet"):
        texts = pyarrow.parquet.read_table(folder / name, columns=["smiles"])["smiles"].to_pylist()
        if name.endswith("pool.parquet"):
            drawn = np.random.default_rng(0).choice(len(texts), POOL_ROWS, replace=False)
            texts = [texts[row] for row in np.sort(drawn)]
        yield name, texts
    table = pyarrow.csv.read_csv(folder / "largemix" / "muv_17.csv.gz")
    yield "largemix/muv_17.csv.gz", table["smiles"].to_pylist()


def mismatches(one: ChunkProperties, other: ChunkProperties) -> int:
    """Return how many properties of atoms and bonds differ."""
    if not np.array_equal(one.num_atoms, other.num_atoms):
        return -1
    atoms = one.atom_table[one.atom_code] != other.atom_table[other.atom_code]
    bonds = one.bond_table[one.bond_code] != other.bond_table[other.bond_code]
    return int(atoms.sum() + bonds.sum() + (one.bond_ends != other.bond_ends).sum())


def compare(smiles: list[str]) -> dict[str, int]:
    """Return counts over all molecules."""
    count = dict.fromkeys(
        ("rows", "molecules", "atoms", "bonds", "mismatches", "compiled_mismatches",
         "parse_differences", "by_getters"), 0,
    )  # fmt: skip
    kernels = load_kernels()
    for first in range(0, len(smiles), CHUNK):
        part = smiles[first : first + CHUNK]
        mols = []
        for text, mol in zip(part, parse_graphs(part), strict=True):
            whole = Chem.MolFromSmiles(text.strip())
            if isinstance(mol, RowStatus):
                count["parse_differences"] += whole is not None and whole.GetNumAtoms() <= CHUNK
                continue
            count["parse_differences"] += whole is None or whole.ToBinary() != mol.ToBinary()
            mols.append(mol)
        oracle = getters.properties_of_chunk(mols)
        for reader, name in ((None, "mismatches"), (kernels, "compiled_mismatches")):
            chunk = ChunkReader(is_trusted=True, kernels=reader)
            for mol in mols:
                chunk.add(mol)
            read, by_getters = chunk.properties(mols.__getitem__)
            count[name] += abs(mismatches(read, oracle))
        count["rows"] += len(part)
        count["molecules"] += len(mols)
        count["atoms"] += int(oracle.num_atoms.sum())
        count["bonds"] += int(oracle.num_bonds.sum())
        count["by_getters"] += by_getters
    return count


def main() -> None:
    """Compare, and print."""
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else None
    about = {"rdkit": rdBase.rdkitVersion, "numpy": np.__version__}
    about["self_test"] = agrees_with_getters(SELF_TEST)
    with rdBase.BlockLogs():
        for name, smiles in tables(Path(os.environ["GRAPHIUM_TEST_DATA"])):
            start = time.process_time()
            counts = compare(smiles[:limit])
            seconds = round(time.process_time() - start, 1)
            line = {**about, "table": name, **counts, "cpu_s": seconds}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
