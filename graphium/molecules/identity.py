"""Which molecules are the same: the canonical forms that decide.

Two SMILES are one molecule when their **join key** is equal, and must not be parted by a split
when their **split key** is equal. ``hashes.py`` proposes candidates at a fraction of the cost:
equal keys always have equal hashes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from graphium.errors import DataError
from graphium.graphs.mol_block import RowStatus
from graphium.molecules.parse import parse_smiles


@dataclass(frozen=True, slots=True)
class Fragment:
    """One connected part of a molecule."""

    connectivity: str
    """Canonical SMILES of ``graph``."""
    graph: Chem.Mol
    """The part without stereo, isotopes and atom maps."""
    atoms: tuple[int, ...]
    """Its atoms in the molecule."""


def join_key(smiles: str) -> str:
    """Return the canonical isomeric SMILES without atom maps.

    Raises:
        DataError: The SMILES is not accepted by ``parse_smiles``.
    """
    return Chem.MolToSmiles(_without_maps(accepted_mol(smiles)))


def split_key(smiles: str) -> str:
    """Return the canonical SMILES of the largest fragment, without stereo, isotopes and atom maps.

    Raises:
        DataError: The SMILES is not accepted by ``parse_smiles``.
    """
    return largest_fragment(accepted_mol(smiles)).connectivity


def canonical_ranks(mol: Chem.Mol) -> NDArray[np.int64]:
    """Return the canonical rank of each atom, a permutation of 0..n-1.

    Atoms of equal rank correspond in any two molecules of equal join key (up to symmetry).
    """
    # Not RDKit's includeAtomMaps=False: maps would still act through stereo and dummy atoms.
    return np.array(Chem.CanonicalRankAtoms(_without_maps(mol)), np.int64)


def largest_fragment(mol: Chem.Mol) -> Fragment:
    """Return the fragment with most heavy atoms.

    Among fragments of equal size the one whose connectivity comes first in the alphabet is taken.
    """
    atoms: list[tuple[int, ...]] = []
    fragments = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=atoms)
    most = max(fragment.GetNumHeavyAtoms() for fragment in fragments)
    graphs = [
        (plain_graph(fragment), members)
        for fragment, members in zip(fragments, atoms, strict=True)
        if fragment.GetNumHeavyAtoms() == most
    ]
    candidates = [Fragment(Chem.MolToSmiles(graph), graph, members) for graph, members in graphs]
    return min(candidates, key=lambda candidate: candidate.connectivity)


def plain_graph(mol: Chem.Mol) -> Chem.Mol:
    """Return a copy without stereo, isotopes and atom maps.

    Labelled hydrogens, and those that only stereo made atoms of the graph, are folded into their
    heavy atoms, so that deuterated forms keep company with their parent.
    """
    plain = Chem.Mol(mol)
    Chem.RemoveStereochemistry(plain)
    for atom in plain.GetAtoms():
        atom.SetIsotope(0)
        atom.SetAtomMapNum(0)
    with rdBase.BlockLogs():
        return Chem.RemoveHs(plain, sanitize=False)


def accepted_mol(smiles: str) -> Chem.Mol:
    """Return the molecule of a SMILES that must be good.

    Raises:
        DataError: It is not.
    """
    mol = parse_smiles(smiles)
    if isinstance(mol, RowStatus):
        raise DataError(
            f"no molecule can be made of '{smiles}' ({mol.name.lower()}); a store or a prediction "
            "lists such rows as rejects, so leave them out here"
        )
    return mol


def _without_maps(mol: Chem.Mol) -> Chem.Mol:
    """Return ``mol``, or a copy without atom maps if it has any.

    Maps part atoms that are otherwise alike, and so make stereo where there is none: it is
    perceived anew.
    """
    if not any(atom.GetAtomMapNum() for atom in mol.GetAtoms()):
        return mol
    copy = Chem.Mol(mol)
    for atom in copy.GetAtoms():
        atom.SetAtomMapNum(0)
    Chem.AssignStereochemistry(copy, cleanIt=True, force=True)
    return copy
