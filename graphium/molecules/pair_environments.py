"""What is known of pairs of atoms, as rows of numbers: the input of the baselines of pairs.

Pairs stand as labels do (``graphs/levels.py``). Neither the kind nor the row of a pair depends on
which of its atoms is named first.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from graphium.config.data import Hydrogens
from graphium.graphs.levels import pair_ends
from graphium.graphs.mol_block import offsets
from graphium.molecules.environments import atom_environments
from graphium.molecules.identity import accepted_mol

_APART = 2**15 - 1
"""Bonds between atoms of different fragments; also the most that are told apart."""


def pair_kinds(smiles: Sequence[str], hydrogens: Hydrogens = "implicit") -> NDArray[np.int64]:
    """Return [P] the kind of each pair of atoms: bonds between them, and their elements.

    Sixteen bits each: the bonds on the shortest way, the lighter and the heavier element.

    Raises:
        DataError: A SMILES is not accepted by ``parse_smiles``.
    """
    kinds = [np.zeros(0, np.int64)]
    for text in smiles:
        mol = accepted_mol(text, hydrogens)
        number = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], np.int64)
        first, second = np.triu_indices(mol.GetNumAtoms(), 1)
        low, high = np.sort(number[np.stack([first, second])], axis=0)
        kinds.append((_bonds_between(mol)[first, second] << 32) | (low << 16) | high)
    return np.concatenate(kinds)


def pair_environments(
    smiles: Sequence[str],
    molecule: NDArray[np.int64],
    place: NDArray[np.int64],
    bits: int = 64,
    hydrogens: Hydrogens = "implicit",
) -> NDArray[np.float32]:
    """Return [R, D] rows of chosen pairs of atoms.

    A row holds the bonds on the shortest way (their number, and its inverse), and the sum and the
    absolute difference of the rows of both atoms (``atom_environments``).

    Args:
        smiles: Molecules.
        molecule: [R] the molecule of each pair.
        place: [R] its place among the pairs of that molecule.
        bits: Columns for the hashed environments of each radius.
        hydrogens: Which hydrogens are atoms.

    Raises:
        DataError: A SMILES is not accepted by ``parse_smiles``.
    """
    mols = [accepted_mol(text, hydrogens) for text in smiles]
    sizes = np.array([mol.GetNumAtoms() for mol in mols], np.int64)
    ends = pair_ends(place, sizes[molecule])
    bonds = np.zeros(len(place), np.int64)
    order = np.argsort(molecule, kind="stable")
    for mol, rows in zip(mols, np.split(order, _ends_of_runs(molecule, len(mols))), strict=True):
        bonds[rows] = _bonds_between(mol)[tuple(ends[rows].T)]
    atoms = atom_environments(smiles, bits, hydrogens).values
    first, second = (atoms[offsets(sizes)[molecule] + ends[:, side]] for side in (0, 1))
    far = np.stack([bonds, 1 / np.maximum(bonds, 1)], axis=1)
    return np.concatenate([far, first + second, np.abs(first - second)], axis=1, dtype=np.float32)


def _ends_of_runs(molecule: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return where the rows of each molecule but the last end, when sorted by molecule."""
    ends: NDArray[np.int64] = np.cumsum(np.bincount(molecule, minlength=count))[:-1]
    return ends


def _bonds_between(mol: Chem.Mol) -> NDArray[np.int64]:
    """Return [n, n] bonds on the shortest way between two atoms."""
    distance = Chem.GetDistanceMatrix(mol)  # 1e8 between fragments
    bonds: NDArray[np.int64] = np.minimum(distance, _APART).astype(np.int64)
    return bonds
