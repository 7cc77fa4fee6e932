"""SDF files of molecules whose atoms are in an order that no SMILES has."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem

SMILES = (
    "CC(=O)Oc1ccccc1C(=O)O", "C[C@H](N)C(=O)O", "O", "c1ccncc1", "CC(C)(C)C", "F/C=C/F",
    "C[N+](C)(C)C", "OC(=O)[C@@H]1CCCN1", "[2H]OC", "[H][H]",
)  # fmt: skip


def shuffled(smiles: str, seed: int, *, hydrogens: bool = True, embed: bool = True) -> Chem.Mol:
    """Return the molecule with atoms in a random order, and with coordinates."""
    mol = Chem.MolFromSmiles(smiles)
    mol = Chem.AddHs(mol) if hydrogens else mol
    if embed:
        assert AllChem.EmbedMolecule(mol, randomSeed=1) == 0
    else:
        AllChem.Compute2DCoords(mol)
    order = np.random.default_rng(seed).permutation(mol.GetNumAtoms())
    return Chem.RenumberAtoms(mol, order.tolist())


def record(mol: Chem.Mol, properties: Mapping[str, object], *, v3000: bool = False) -> str:
    """Return a record of an SDF file; lists are written as JSON."""
    block = Chem.MolToMolBlock(mol, forceV3000=v3000)
    return block + fields(properties) + "$$$$\n"


def fields(properties: Mapping[str, object]) -> str:
    """Return properties as they stand in a record."""
    texts = {
        name: json.dumps(value) if isinstance(value, list) else value
        for name, value in properties.items()
    }
    return "".join(f">  <{name}>\n{text}\n\n" for name, text in texts.items())


def element_labels(mols: Sequence[Chem.Mol]) -> list[dict[str, object]]:
    """Return labels that tell which atom, bond and pair of atoms they belong to."""
    found = []
    for mol in mols:
        numbers = [float(atom.GetAtomicNum()) for atom in mol.GetAtoms()]
        bonds = [
            numbers[bond.GetBeginAtomIdx()] + numbers[bond.GetEndAtomIdx()]
            for bond in mol.GetBonds()
        ]
        pairs = [[one * other for other in numbers] for one in numbers]
        found.append({"element": numbers, "ends": bonds, "both": pairs})
    return found
