"""A SMILES for a molecule that is given as a graph, and the bonds that a SMILES has.

Graphs are those of PyTorch Geometric's ``from_smiles``: columns of categories, as its ``x_map`` and
``e_map`` number them. They do not say what a marked centre is marked against (the order of its
bonds is lost), so that stereo cannot be had back.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from graphium.config.data import Hydrogens
from graphium.graphs.mol_block import RowStatus
from graphium.molecules.parse import parse_smiles

ATOM_COLUMNS = (
    "atomic_num", "chirality", "degree", "formal_charge", "num_hs", "num_radical_electrons",
    "hybridization", "is_aromatic", "is_in_ring",
)  # fmt: skip
BOND_COLUMNS = ("bond_type", "stereo", "is_conjugated")
ATOM_SIZES = (119, 9, 11, 12, 9, 5, 8, 2, 2)
BOND_SIZES = (22, 6, 2)
"""Categories of each column."""
_LEAST_CHARGE = -5
"""Column ``formal_charge`` counts from here."""


@dataclass(frozen=True, slots=True)
class WrittenGraph:
    """A graph of n atoms as text."""

    smiles: str
    atoms: NDArray[np.int64]
    """[n] atom of the graph at each place of the text."""


def smiles_of_graph(
    atoms: NDArray[np.int64],
    bonds: NDArray[np.int64],
    ends: NDArray[np.int64],
    *,
    drop_stereo: bool = False,
) -> WrittenGraph | str:
    """Return a SMILES of a graph, or in words why there is none.

    The text is read again and compared, atom by atom and bond by bond.

    Args:
        atoms: [n, 9] columns of ``ATOM_COLUMNS``.
        bonds: [b, 3] columns of ``BOND_COLUMNS``, each bond once.
        ends: [b, 2] atoms of the bonds.
        drop_stereo: Write a molecule with marks of stereo without them, rather than refuse it.
    """
    if (atoms[:, 1].any() or (bonds[:, 1] > 1).any()) and not drop_stereo:  # 1 is "any"
        return "it has stereo marks, which this graph does not tell the meaning of"
    try:
        with rdBase.BlockLogs():
            mol = _build(atoms, bonds, ends)
            smiles = Chem.MolToSmiles(mol, canonical=False)
    except (ValueError, RuntimeError, OverflowError) as error:  # RDKit's errors are ValueErrors
        return f"RDKit makes no molecule of it ({str(error).strip().splitlines()[0]})"
    order = np.array(list(mol.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"]), np.int64)
    again = parse_smiles(smiles, "written")
    if isinstance(again, RowStatus) or not _is_the_same(again, atoms, bonds, ends, order):
        return f"it is no molecule as RDKit reads one ('{smiles}' reads otherwise)"
    return WrittenGraph(smiles, order)


def bonds_of(smiles: str, hydrogens: Hydrogens) -> tuple[list[int], list[tuple[int, int]]] | None:
    """Return the atomic numbers and the bonds of a SMILES, in order; None if it is no molecule."""
    mol = parse_smiles(smiles, hydrogens)
    if isinstance(mol, RowStatus):
        return None
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    return [atom.GetAtomicNum() for atom in mol.GetAtoms()], ends


def _build(atoms: NDArray[np.int64], bonds: NDArray[np.int64], ends: NDArray[np.int64]) -> Chem.Mol:
    mol = Chem.RWMol()
    for row in atoms.tolist():
        atom = Chem.Atom(row[0])
        atom.SetFormalCharge(row[3] + _LEAST_CHARGE)
        atom.SetNoImplicit(True)  # hydrogens are given
        atom.SetNumExplicitHs(row[4])
        atom.SetNumRadicalElectrons(row[5])
        atom.SetIsAromatic(bool(row[7]))
        mol.AddAtom(atom)
    for (first, second), kind in zip(ends.tolist(), bonds[:, 0].tolist(), strict=True):
        mol.AddBond(first, second, Chem.BondType.values[kind])
    Chem.SanitizeMol(mol)
    return mol.GetMol()


def _is_the_same(
    mol: Chem.Mol,
    atoms: NDArray[np.int64],
    bonds: NDArray[np.int64],
    ends: NDArray[np.int64],
    order: NDArray[np.int64],
) -> bool:
    if mol.GetNumAtoms() != len(atoms) or mol.GetNumBonds() != len(bonds):
        return False
    found = [
        (
            atom.GetAtomicNum(),
            atom.GetTotalDegree(),
            atom.GetFormalCharge() - _LEAST_CHARGE,
            atom.GetTotalNumHs(),
            atom.GetNumRadicalElectrons(),
            int(atom.GetIsAromatic()),
            int(atom.IsInRing()),
        )
        for atom in mol.GetAtoms()
    ]
    if found != [tuple(row) for row in atoms[order][:, [0, 2, 3, 4, 5, 7, 8]].tolist()]:
        return False
    given = {
        (min(pair), max(pair)): kind
        for pair, kind in zip(map(tuple, ends.tolist()), bonds[:, 0].tolist(), strict=True)
    }
    read = {}
    for bond in mol.GetBonds():
        pair = int(order[bond.GetBeginAtomIdx()]), int(order[bond.GetEndAtomIdx()])
        read[min(pair), max(pair)] = int(bond.GetBondType())
    return read == given
