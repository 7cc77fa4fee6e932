"""Which molecules are the same: the canonical forms that decide.

Two SMILES are one molecule when their **join key** is equal, and must not be parted by a split
when their **split key** is equal. ``hashes.py`` proposes candidates at a fraction of the cost:
equal keys always have equal hashes.
"""

from rdkit import Chem, rdBase

from graphium.errors import DataError
from graphium.graphs.mol_block import RowStatus
from graphium.molecules.parse import parse_smiles


def join_key(smiles: str) -> str:
    """Return the canonical isomeric SMILES without atom maps.

    Raises:
        DataError: The SMILES is not accepted by ``parse_smiles``.
    """
    mol = Chem.Mol(_accepted(smiles))
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
    return Chem.MolToSmiles(mol)


def split_key(smiles: str) -> str:
    """Return the canonical SMILES of the largest fragment, without stereo, isotopes and atom maps.

    Raises:
        DataError: The SMILES is not accepted by ``parse_smiles``.
    """
    return largest_fragment(_accepted(smiles))[0]


def largest_fragment(mol: Chem.Mol) -> tuple[str, tuple[int, ...]]:
    """Return the connectivity of the fragment with most heavy atoms, and its atoms in ``mol``.

    Among fragments of equal size the one whose connectivity comes first in the alphabet is taken.
    """
    atoms: list[tuple[int, ...]] = []
    fragments = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=atoms)
    most = max(fragment.GetNumHeavyAtoms() for fragment in fragments)
    return min(
        (_connectivity(fragment), members)
        for fragment, members in zip(fragments, atoms, strict=True)
        if fragment.GetNumHeavyAtoms() == most
    )


def _connectivity(mol: Chem.Mol) -> str:
    """Return the canonical SMILES without stereo, isotopes and atom maps.

    Labelled hydrogens, and those that only stereo made atoms of the graph, are folded into their
    heavy atoms, so that deuterated forms keep company with their parent.
    """
    plain = Chem.Mol(mol)
    Chem.RemoveStereochemistry(plain)
    for atom in plain.GetAtoms():
        atom.SetIsotope(0)
        atom.SetAtomMapNum(0)
    with rdBase.BlockLogs():
        return Chem.MolToSmiles(Chem.RemoveHs(plain, sanitize=False))


def _accepted(smiles: str) -> Chem.Mol:
    mol = parse_smiles(smiles)
    if isinstance(mol, RowStatus):
        raise DataError(f"no molecule can be made of '{smiles}' ({mol.name.lower()})")
    return mol
