"""CPU time from SMILES to features, as a multiple of a bare ``Chem.MolFromSmiles``.

Everything runs in one process on one thread, chunk by chunk of zinc250k in a new order each time;
the ratio is the median over chunks of two CPU times of the same chunk. Start-up (imports, the
compilation of numba's functions, RDKit's first molecules) is not counted. The peers make features
of atoms and bonds of one molecule after another: chemprop's default featuriser (72 + 14 columns),
PyG's ``from_smiles`` (9 + 3) and a loop over the getters of the same 9 + 3 properties that ogb
reads. A peer that is not installed is left out.

Run: python benchmarks/featurise.py [chunks]      (needs $GRAPHIUM_TEST_DATA)
"""

import importlib.metadata
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet
from rdkit import Chem, rdBase

from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.compute import encode
from graphium.graphs.encodings.stacks import split_molecules
from graphium.molecules.fast_path import ChunkReader
from graphium.molecules.featurize import featurize_chunk
from graphium.molecules.hashes import hash_chunk

CHUNK = 2_000
PEER_CHUNK = 400
"""Molecules of each chunk that the slow peers see; their time is scaled."""

Way = Callable[[Sequence[str]], object]


def bare(smiles: Sequence[str]) -> None:
    """Parse, and forget."""
    for text in smiles:
        Chem.MolFromSmiles(text)


def ours(smiles: Sequence[str]) -> object:
    """Make all properties and both hashes, compiled."""
    return featurize_chunk(smiles, ranks=False, compiled=True)


def ours_in_numpy(smiles: Sequence[str]) -> object:
    """Do the same without numba."""
    return featurize_chunk(smiles, ranks=False)


def ours_with_ranks(smiles: Sequence[str]) -> object:
    """Also rank the atoms, as stores with labels of atoms do."""
    return featurize_chunk(smiles, compiled=True)


def ours_with_encodings(smiles: Sequence[str]) -> object:
    """Also compute random walks of 16 steps and 8 Laplacian eigenpairs."""
    block = featurize_chunk(smiles, ranks=False, compiled=True).block
    molecules = split_molecules(block.num_atoms, block.num_bonds, block.bond_ends)
    return encode(molecules, FeaturesConfig())  # the defaults are these two


def getters(smiles: Sequence[str]) -> object:
    """Make the properties and hashes through RDKit's getters."""
    reader = ChunkReader(is_trusted=False)
    for text in smiles:
        reader.add(Chem.MolFromSmiles(text))
    return hash_chunk(reader.properties(lambda _: None)[0], lambda _: ())


def ogb_style(smiles: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read the nine atom and three bond properties of ogb, one call each."""
    out = []
    for text in smiles:
        mol = Chem.MolFromSmiles(text)
        atoms = [
            (
                atom.GetAtomicNum(), int(atom.GetChiralTag()), atom.GetTotalDegree(),
                atom.GetFormalCharge(), atom.GetTotalNumHs(), atom.GetNumRadicalElectrons(),
                int(atom.GetHybridization()), atom.GetIsAromatic(), atom.IsInRing(),
            )
            for atom in mol.GetAtoms()
        ]  # fmt: skip
        bonds = []
        for bond in mol.GetBonds():
            row = (int(bond.GetBondType()), int(bond.GetStereo()), bond.GetIsConjugated())
            bonds += [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), *row),
                      (bond.GetEndAtomIdx(), bond.GetBeginAtomIdx(), *row)]  # fmt: skip
        out.append((np.array(atoms, np.int64), np.array(bonds, np.int64)))
    return out


def peers() -> dict[str, Way]:
    """Return the installed peers by name and version."""
    found: dict[str, Way] = {"ogb-style getters": ogb_style}
    if find_spec("torch_geometric"):
        from torch_geometric.utils import from_smiles

        version = importlib.metadata.version("torch-geometric")
        found[f"PyG {version} from_smiles"] = lambda smiles: [from_smiles(text) for text in smiles]
    if find_spec("chemprop"):
        from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer

        featurize = SimpleMoleculeMolGraphFeaturizer()
        version = importlib.metadata.version("chemprop")
        found[f"chemprop {version}"] = lambda smiles: [
            featurize(Chem.MolFromSmiles(text)) for text in smiles
        ]
    return found


def measure(
    ways: dict[str, Way], slow: dict[str, Way], chunks: list[list[str]]
) -> dict[str, float]:
    """Return the median CPU time of each way in units of ``bare``."""
    ratios: dict[str, list[float]] = {name: [] for name in (*ways, *slow)}
    microseconds = []
    shuffle = random.Random(0)
    for chunk in chunks:
        times = {}
        order = list(ratios)
        shuffle.shuffle(order)
        for name in order:
            part = chunk[:PEER_CHUNK] if name in slow else chunk
            start = time.process_time()
            made = (slow if name in slow else ways)[name](part)
            del made  # giving the memory back is part of the price
            times[name] = (time.process_time() - start) / len(part)
        microseconds.append(1e6 * times["bare"])
        for name, seconds in times.items():
            ratios[name].append(seconds / times["bare"])
    out = {name: round(statistics.median(values), 3) for name, values in ratios.items()}
    return {"bare_us": round(statistics.median(microseconds), 1), **out}


def main() -> None:
    """Measure, and print one line of JSON."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    path = Path(os.environ["GRAPHIUM_TEST_DATA"]) / "smiles" / "zinc250k.parquet"
    texts = pyarrow.parquet.read_table(path, columns=["smiles"])["smiles"].to_pylist()
    drawn = np.random.default_rng(0).permutation(len(texts))[: count * CHUNK]
    texts = [texts[row].strip() for row in drawn]
    chunks = [texts[first : first + CHUNK] for first in range(0, len(texts), CHUNK)]
    ways: dict[str, Way] = {
        "bare": bare,
        "ours": ours,
        "ours, numpy only": ours_in_numpy,
        "ours, with atom ranks": ours_with_ranks,
        "ours, with rw16 and lap8": ours_with_encodings,
    }
    slow: dict[str, Way] = {"getters": getters, **peers()}
    with rdBase.BlockLogs():
        for way in (*ways.values(), *slow.values()):
            way(chunks[0][:PEER_CHUNK])
        found = measure(ways, slow, chunks)
    about = {"rdkit": rdBase.rdkitVersion, "numpy": np.__version__, "molecules": len(texts)}
    print(json.dumps({**about, **found}))


if __name__ == "__main__":
    main()
