"""Which molecules are the same: the canonical forms that decide.

Two SMILES are one molecule when their **join key** is equal, and must not be parted by a split
when their **split key** is equal. ``hashes.py`` proposes candidates at a fraction of the cost:
keys of the kinds ``stereo`` and ``connectivity`` that are equal always have equal hashes. Those of
other kinds have not: they are compared without a proposal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from graphium.config.data import Hydrogens
from graphium.config.keys import JoinKind, SplitKind
from graphium.errors import DataError, quoted
from graphium.graphs.mol_block import RowStatus
from graphium.molecules.coarse_forms import canonical_tautomer, inchi, inchikey14
from graphium.molecules.mol_blocks import parse_text


@dataclass(frozen=True, slots=True)
class Fragment:
    """One connected part of a molecule."""

    connectivity: str
    """Canonical SMILES of ``graph``."""
    graph: Chem.Mol
    """The part without stereo, isotopes and atom maps."""
    atoms: tuple[int, ...]
    """Its atoms in the molecule."""


def join_key(smiles: str, kind: JoinKind = "stereo") -> str:
    """Return what equal molecules have in common; atom maps never count.

    Equal keys of kind ``stereo`` (canonical isomeric SMILES) have equal keys of every other kind.

    Raises:
        DataError: The SMILES is not accepted by ``parse_smiles``.
    """
    mol = accepted_mol(smiles)
    if kind == "connectivity":
        return Chem.MolToSmiles(plain_graph(mol))
    canonical = Chem.MolToSmiles(_without_maps(mol))
    match kind:
        case "stereo":
            return canonical
        case "inchi":
            return inchi(canonical)
        case "tautomer":
            return canonical_tautomer(canonical)
        case _:
            assert_never(kind)


def split_key(smiles: str, kind: SplitKind = "connectivity") -> str:
    """Return what molecules of one part have in common, without stereo, isotopes and atom maps.

    It is the form of the largest fragment; of several the one that comes first in the alphabet.

    Raises:
        DataError: The SMILES is not accepted by ``parse_smiles``.
    """
    fragments = _largest_fragments(accepted_mol(smiles))
    form = _split_form(kind)
    return min(form(connectivity) for connectivity in {one.connectivity for one in fragments})


def _split_form(kind: SplitKind) -> Callable[[str], str]:
    match kind:
        case "connectivity":
            return str
        case "inchikey14":
            return inchikey14
        case "tautomer":
            return canonical_tautomer
        case _:
            assert_never(kind)


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
    return min(_largest_fragments(mol), key=lambda one: one.connectivity)


def _largest_fragments(mol: Chem.Mol) -> list[Fragment]:
    atoms: list[tuple[int, ...]] = []
    fragments = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=atoms)
    most = max(fragment.GetNumHeavyAtoms() for fragment in fragments)
    graphs = [
        (plain_graph(fragment), members)
        for fragment, members in zip(fragments, atoms, strict=True)
        if fragment.GetNumHeavyAtoms() == most
    ]
    return [Fragment(Chem.MolToSmiles(graph), graph, members) for graph, members in graphs]


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


def accepted_mol(smiles: str, hydrogens: Hydrogens = "implicit") -> Chem.Mol:
    """Return the molecule of a SMILES (or mol block) that must be good.

    Raises:
        DataError: It is not.
    """
    mol = parse_text(smiles, hydrogens)
    if isinstance(mol, RowStatus):
        raise DataError(
            f"no molecule can be made of {quoted(smiles)} ({mol.name.lower()}); a store or a "
            "prediction lists such rows as rejects, so leave them out here"
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
