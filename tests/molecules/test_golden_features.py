"""Features of 30 molecules must not change unnoticed.

After a change on purpose, run this file as a program to write them anew, and say why in the commit:
``python tests/molecules/test_golden_features.py``.
"""

import hashlib
import json
from pathlib import Path
from typing import get_args

import numpy as np

from graphium.config.features import AtomFeature
from graphium.graphs.features import BOND_FEATURES, atom_features, bond_features
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES, FEATURIZER_VERSION
from graphium.molecules.featurize import featurize_chunk

GOLDEN = Path(__file__).parents[1] / "golden" / "features.json"
SMILES = [
    "C", "CCO", "C=C", "CC#N", "[Na+].[Cl-]", "[H][H]", "*CC*", "[2H]C([2H])([2H])O", "[CH3]",
    "CC(=O)Oc1ccccc1C(=O)O", "CN1CCC[C@H]1c1cccnc1", "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "F/C=C/F", "F/C=C\\F", "CC=CC", "CS(=O)(=O)c1ccccc1",
    "O=[N+]([O-])c1ccccc1", "C1CC2CCC1CC2", "C12C3C4C1C5C2C3C45", "c1ccc2c(c1)[nH]c1ccccc12",
    "C1CCCCCCCCCCCCCC1", "OP(=O)(O)OC[C@H]1OC(n2cnc3c(N)ncnc32)[C@H](O)[C@@H]1O", "C[Si](C)(C)C",
    "[13CH3][C@H](Cl)Br", "N->[Pt](Cl)(Cl)<-N", "[O-][I+3]([O-])([O-])[O-]", "CC[Hg]CC",
    "C[N+](C)(C)CC(=O)[O-].Cl",
]  # fmt: skip


def _digest(values):
    return hashlib.sha256((np.round(values.astype(np.float64), 4) + 0.0).tobytes()).hexdigest()[:16]


def describe():
    """Return everything that featurisation says of the molecules."""
    block = featurize_chunk(SMILES).block
    atoms, bonds = block.atom_offsets(), block.bond_offsets()
    return {
        "featurizer_version": FEATURIZER_VERSION,
        "atom_columns": list(ATOM_PROPERTIES),
        "bond_columns": list(BOND_PROPERTIES),
        "atom_features": {
            name: _digest(atom_features(block.atom_table, [name])[block.atom_code])
            for name in get_args(AtomFeature)
        },
        "bond_features": {
            name: _digest(bond_features(block.bond_table, [name])[block.bond_code])
            for name in BOND_FEATURES
        },
    } | {
        smiles: {
            "atoms": block.atom_table[block.atom_code[atoms[g] : atoms[g + 1]]].tolist(),
            "bonds": block.bond_table[block.bond_code[bonds[g] : bonds[g + 1]]].tolist(),
            "ends": block.bond_ends[bonds[g] : bonds[g + 1]].tolist(),
            "join_hash": [f"{lane:016x}" for lane in block.join_hash[g]],
            "split_hash": [f"{lane:016x}" for lane in block.split_hash[g]],
        }
        for g, smiles in enumerate(SMILES)
    }


def test_thirty_molecules_have_the_properties_hashes_and_features_of_the_golden_file():
    golden = json.loads(GOLDEN.read_text())
    now = describe()
    assert len(set(SMILES)) == 30
    assert list(now) == list(golden)
    for name, expected in golden.items():
        assert now[name] == expected, name


if __name__ == "__main__":
    lines = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in describe().items())
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
