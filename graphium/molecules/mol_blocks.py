"""Molecules that are given as mol blocks (V2000 and V3000), the cells of an SDF file.

A block is read where a SMILES is: ``parse_text`` takes either. The graph has the block's atoms and
bonds in their order. A store keeps SMILES, which RDKit writes in another order of atoms, and with
every hydrogen that the block has as an atom; ``BlockSmiles`` says which atom is which.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from graphium.config.data import Hydrogens
from graphium.graphs.mol_block import RowStatus
from graphium.molecules.parse import add_hydrogens, is_too_big, parse_smiles, status_of

_MARK = re.compile(r"V[23]000\s*$|^M  END", re.MULTILINE)
_LONGEST = 1 << 20
"""Characters; a block of as many atoms as are read is shorter."""
_ANYTHING = "AtomNull"
"""RDKit's name of a query that every atom fits."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a block is no molecule."""

    status: RowStatus
    note: str


@dataclass(frozen=True, slots=True)
class BlockSmiles:
    """A block of W atoms and X bonds as a SMILES."""

    smiles: str
    atoms: NDArray[np.int64]
    """[W] atom of the block that is the k-th in the SMILES."""
    bonds: NDArray[np.int64]
    """[X, 2] atoms of the block that each of its bonds joins."""
    positions: NDArray[np.float32] | str
    """[W, 3] coordinates of the SMILES' atoms in angstrom, or why there are none."""


def is_mol_block(text: str | None) -> bool:
    """Return whether a cell is a mol block, or looks like one."""
    return isinstance(text, str) and "\n" in text and _MARK.search(text) is not None


def parse_text(text: str | None, hydrogens: Hydrogens = "implicit") -> Chem.Mol | RowStatus:
    """Return the molecule of a SMILES, as ``parse_smiles``, or of a mol block, in its order."""
    if text is None or not is_mol_block(text):
        return parse_smiles(text, hydrogens)
    mol = _read(text, removes_hydrogens=hydrogens == "implicit")
    if isinstance(mol, Refused):
        return mol.status
    with rdBase.BlockLogs():
        return add_hydrogens(mol) if hydrogens == "explicit" else mol


def block_smiles(text: str) -> BlockSmiles | Refused:
    """Return a mol block as a SMILES, or why it is refused.

    The SMILES is not checked further: whoever reads it may still refuse it.
    """
    mol = _read(text, removes_hydrogens=False)
    if isinstance(mol, Refused):
        return mol
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    found = block_positions(mol)
    with rdBase.BlockLogs():
        smiles = Chem.MolToSmiles(mol)
    atoms = np.array(mol.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"], np.int64)
    return BlockSmiles(
        smiles=smiles,
        atoms=atoms,
        bonds=np.array(bonds, np.int64).reshape(-1, 2),
        positions=found if isinstance(found, str) else found[atoms],
    )


def block_positions(mol: Chem.Mol) -> NDArray[np.float32] | str:
    """Return the coordinates [n, 3] that a mol block gave its atoms, or why these are none.

    ``two_dimensional`` is a drawing: its header says 2D, or nothing, and every z is 0.
    """
    if not mol.GetNumConformers():
        return "no_coordinates"
    conformer = mol.GetConformer()
    if not conformer.Is3D():
        return "two_dimensional"
    positions: NDArray[np.float32] = conformer.GetPositions().astype(np.float32)
    if not np.isfinite(positions).all():
        return "not_finite"
    if len(positions) > 1 and (positions == positions[0]).all():
        return "no_coordinates"
    return positions


def num_block_atoms(text: str) -> int:
    """Return how many atoms an accepted mol block has."""
    with rdBase.BlockLogs():
        graph: Chem.Mol = Chem.MolFromMolBlock(text, sanitize=False, removeHs=False)
    return int(graph.GetNumAtoms())


def _read(text: str, *, removes_hydrogens: bool) -> Chem.Mol | Refused:
    if len(text) > _LONGEST:
        return Refused(RowStatus.TOO_BIG, f"its mol block has {len(text)} characters")
    with rdBase.BlockLogs():
        graph: Chem.Mol | None = Chem.MolFromMolBlock(text, sanitize=False, removeHs=False)
        if graph is None:
            ends = re.search(r"^M  END", text, re.MULTILINE)
            note = "its mol block does not follow the format" if ends else "it has no 'M  END'"
            return Refused(RowStatus.SYNTAX, note)
        if not graph.GetNumAtoms():
            return Refused(RowStatus.EMPTY, "its mol block has no atoms")
        if is_too_big(graph):
            return Refused(RowStatus.TOO_BIG, f"it has {graph.GetNumAtoms()} atoms")
        if _is_query(graph):
            return Refused(
                RowStatus.SYNTAX, "it is a query: it leaves elements or kinds of bonds open"
            )
        mol: Chem.Mol | None = Chem.MolFromMolBlock(text, removeHs=removes_hydrogens)
        return _diagnose(graph) if mol is None else mol


def _is_query(graph: Chem.Mol) -> bool:
    """Say whether elements or bonds are left open; ``R`` and ``*`` are dummies, not queries."""
    return any(bond.HasQuery() for bond in graph.GetBonds()) or any(
        atom.HasQuery() and not _is_dummy(atom) for atom in graph.GetAtoms()
    )


def _is_dummy(atom: Chem.Atom) -> bool:
    """Say whether nothing is said of an atom: RDKit reads lists, A, Q, X, M as dummies, too."""
    is_free: bool = atom.DescribeQuery().strip() == _ANYTHING
    return is_free and not atom.GetAtomicNum() and not atom.GetQueryType()


def _diagnose(graph: Chem.Mol) -> Refused:
    """Return why RDKit refuses a graph that can be read."""
    problems = Chem.DetectChemistryProblems(graph)
    note = problems[0].Message() if problems else "RDKit makes no molecule of its mol block"
    return Refused(status_of(int(Chem.SanitizeMol(graph, catchErrors=True))), note)
