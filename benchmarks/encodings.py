"""CPU time of positional encodings, as a multiple of a bare ``Chem.MolFromSmiles``.

One process, one thread; molecules of zinc250k as features have them. Ways are interleaved, the time
of each is the median over repeats. Peers compute molecule by molecule: numpy and scipy as the
definitions say, and PyG's two transforms.

Run: python benchmarks/encodings.py [molecules]      (needs $GRAPHIUM_TEST_DATA)
"""

import json
import os
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import torch
from rdkit import Chem, rdBase
from scipy.linalg import pinv
from torch_geometric.data import Data
from torch_geometric.transforms import AddLaplacianEigenvectorPE, AddRandomWalkPE

from graphium.config.encodings import EncodingsConfig
from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.compute import encode
from graphium.graphs.encodings.stacks import split_molecules
from graphium.graphs.mol_block import MolBlock
from graphium.molecules.featurize import featurize_chunk

REPEATS = 7
PEER_MOLECULES = 400
OFF: Mapping[str, Any] = {"random_walk": None, "laplacian": None}
CHOSEN: Mapping[str, Mapping[str, Any]] = {
    "random_walk 16": {"random_walk": {}},
    "laplacian 8": {"laplacian": {}},
    "random_walk 16 + laplacian 8": {"random_walk": {}, "laplacian": {}},
    **{
        f"{name}, {level}": {name: {"level": level}}
        for name in EncodingsConfig.model_fields
        if name not in ("random_walk", "laplacian", "compute")
        for level in ("node", "edge")
    },
}


def bare(smiles: Sequence[str]) -> None:
    """Parse, and forget."""
    for text in smiles:
        Chem.MolFromSmiles(text)


def ours(block: MolBlock, features: FeaturesConfig) -> object:
    """Compute what ``pack_block`` computes."""
    return encode(split_molecules(block.num_atoms, block.num_bonds, block.bond_ends), features)


def adjacencies(block: MolBlock) -> list[np.ndarray]:
    """Return the matrices of single molecules; making them is not counted to the peers."""
    out = []
    bonds = np.split(block.bond_ends.astype(np.int64), block.bond_offsets()[1:-1])
    for size, ends in zip(block.num_atoms, bonds, strict=True):
        matrix = np.zeros((size, size))
        matrix[ends[:, 0], ends[:, 1]] = matrix[ends[:, 1], ends[:, 0]] = 1
        out.append(matrix)
    return out


def walk_alone(matrix: np.ndarray) -> None:
    """Return probabilities by 16 products."""
    step = matrix / np.maximum(matrix.sum(1), 1)[:, None]
    power = step
    for _ in range(15):
        power = power @ step
        np.diagonal(power)


def peers(block: MolBlock) -> dict[str, Callable[[], object]]:
    """Return the peers by name, each for the first ``PEER_MOLECULES``."""
    matrices = adjacencies(block)[:PEER_MOLECULES]
    laplacians = [np.diag(matrix.sum(1)) - matrix for matrix in matrices]
    graphs = [
        Data(edge_index=torch.from_numpy(np.stack(np.nonzero(m))), num_nodes=len(m))
        for m in matrices
    ]
    walk, laplacian = AddRandomWalkPE(16, "pe"), AddLaplacianEigenvectorPE(8, "pe")
    return {
        "numpy, walks of 16": lambda: [walk_alone(matrix) for matrix in matrices],
        "numpy, eigh": lambda: [np.linalg.eigh(matrix) for matrix in laplacians],
        "scipy, pinv": lambda: [pinv(matrix) for matrix in laplacians],
        "PyG AddRandomWalkPE 16": lambda: [walk(graph) for graph in graphs],
        "PyG AddLaplacianEigenvectorPE 8": lambda: [laplacian(graph) for graph in graphs],
    }


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
    torch.set_num_threads(1)
    rdBase.DisableLog("rdApp.*")
    warnings.simplefilter("ignore")
    table = Path(os.environ["GRAPHIUM_TEST_DATA"]) / "smiles" / "zinc250k.parquet"
    column = pyarrow.parquet.read_table(table, columns=["smiles"])["smiles"]
    smiles = [text.strip() for text in column.slice(0, count).to_pylist()]
    block = featurize_chunk(smiles, ranks=False).block

    ways: dict[str, tuple[Callable[[], object], int]] = {
        "bare parse": (lambda: bare(smiles), len(smiles))
    }
    for name, chosen in CHOSEN.items():
        features = FeaturesConfig.model_validate({"encodings": {**OFF, **chosen}})
        ways[name] = (lambda features=features: ours(block, features)), block.num_molecules
    ways |= {name: (way, PEER_MOLECULES) for name, way in peers(block).items()}

    times: dict[str, list[float]] = {name: [] for name in ways}
    shuffle = random.Random(0)
    for _ in range(REPEATS):
        for name, (way, molecules) in shuffle.sample(list(ways.items()), len(ways)):
            start = time.process_time()
            way()
            times[name].append(1e6 * (time.process_time() - start) / molecules)
    microseconds = {name: statistics.median(values) for name, values in times.items()}
    parse = microseconds["bare parse"]
    for name, value in microseconds.items():
        print(f"{name:34} {value:8.1f} us/molecule {value / parse:6.3f} x bare parse")
    print(json.dumps({name: round(value, 1) for name, value in microseconds.items()}))


if __name__ == "__main__":
    main()
