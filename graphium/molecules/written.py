"""Where the atoms and bonds of a graph stand in the text of their SMILES.

Tables list labels for the atoms that a SMILES writes. RDKit folds most written hydrogens into
their neighbors, and ``hydrogens: explicit`` adds atoms that nobody wrote, so that the two orders
differ in what they contain; atoms that both have are in the same order. Which hydrogens stay is
RDKit's own decision, read from it and not repeated here: every atom carries its place through the
parse as a property (CXSMILES ``atomProp``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from graphium.config.data import Hydrogens
from graphium.errors import DataError
from graphium.graphs.mol_block import RowStatus
from graphium.molecules.mol_blocks import BlockSmiles
from graphium.molecules.parse import parse_smiles

# Without an atom [H], [2H], ... and without a map [C:1], text and graph have the same atoms.
_HYDROGEN_OR_MAP = re.compile(r"\[\d*H|:\d+\]")
_MAP_0 = re.compile(r":0+\]")
_PLACE = "place"


@dataclass(frozen=True, slots=True)
class WrittenOrder:
    """One molecule: N atoms and B bonds of the graph, W atoms and X bonds of the text."""

    atoms: NDArray[np.int64]
    """[N] place of each atom of the graph among those of the text; -1 for added hydrogens."""
    bonds: NDArray[np.int64]
    """[B] place of each bond of the graph among those of the text; -1 for added ones."""
    num_bonds: int
    """X."""
    maps: NDArray[np.int64]
    """[W] atom-map number of each atom of the text; -1 for none."""

    @property
    def num_atoms(self) -> int:
        """W."""
        return len(self.maps)

    @property
    def atoms_among_graph(self) -> NDArray[np.int64]:
        """[N] place of each atom of the graph among these alone, in the text's order."""
        return _ranks(self.atoms)

    @property
    def bonds_among_graph(self) -> NDArray[np.int64]:
        """[B] the same of its bonds."""
        return _ranks(self.bonds)


def written_orders(
    smiles: Sequence[str], hydrogens: Hydrogens = "implicit"
) -> list[WrittenOrder | None]:
    """Return where atoms and bonds stand; None where text and graph are alike and have no maps.

    Args:
        smiles: Accepted molecules.
        hydrogens: Which hydrogens are atoms of the graph.

    Raises:
        DataError: A SMILES is not accepted by ``parse_smiles``.
    """
    return [
        _written_order(text, hydrogens)
        if hydrogens == "explicit" or _HYDROGEN_OR_MAP.search(text)
        else None
        for text in smiles
    ]


def block_order(smiles: str, block: BlockSmiles, hydrogens: Hydrogens = "implicit") -> WrittenOrder:
    """Return where atoms and bonds of the graph stand in the mol block that the SMILES was made of.

    Args:
        smiles: An accepted molecule.
        block: How it was made.
        hydrogens: Which hydrogens are atoms of the graph.
    """
    order = _written_order(smiles, hydrogens)
    with rdBase.BlockLogs():
        written = Chem.MolFromSmiles(smiles, sanitize=False)
    bond_at = {_sorted(*ends): number for number, ends in enumerate(block.bonds.tolist())}
    places = block.atoms
    bonds = np.array(
        [
            bond_at[_sorted(places[bond.GetBeginAtomIdx()], places[bond.GetEndAtomIdx()])]
            for bond in written.GetBonds()
        ],
        np.int64,
    )
    maps = np.full(len(places), -1, np.int64)
    maps[places] = order.maps
    return WrittenOrder(
        atoms=_through(order.atoms, places),
        bonds=_through(order.bonds, bonds),
        num_bonds=order.num_bonds,
        maps=maps,
    )


def _through(places: NDArray[np.int64], further: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where things at these places stand further on; -1 stays."""
    if not len(further):
        return np.full(len(places), -1, np.int64)
    return np.where(places >= 0, further[places], -1)


def _written_order(smiles: str, hydrogens: Hydrogens) -> WrittenOrder:
    text = smiles.strip()
    with rdBase.BlockLogs():
        written = Chem.MolFromSmiles(text, sanitize=False)
        graph = parse_smiles(text, hydrogens)
        if isinstance(graph, RowStatus):
            raise DataError(f"no molecule can be made of '{smiles}' ({graph.name.lower()})")
        places = np.full(graph.GetNumAtoms(), -1)
        if hydrogens == "implicit":
            places[:] = _places_in_text(text, written.GetNumAtoms())
        else:  # all written atoms, and then those that were added
            places[: written.GetNumAtoms()] = np.arange(written.GetNumAtoms())
    bond_at = {_ends(bond): bond.GetIdx() for bond in written.GetBonds()}
    bonds = [
        bond_at.get(_sorted(places[bond.GetBeginAtomIdx()], places[bond.GetEndAtomIdx()]), -1)
        for bond in graph.GetBonds()
    ]
    maps = np.array([atom.GetAtomMapNum() for atom in written.GetAtoms()], np.int64)
    if not _MAP_0.search(text):  # for RDKit, no map is map 0
        maps[maps == 0] = -1
    return WrittenOrder(
        atoms=places,
        bonds=np.array(bonds, np.int64),
        num_bonds=written.GetNumBonds(),
        maps=maps,
    )


def _places_in_text(text: str, num_written: int) -> list[int]:
    """Return the place of each atom that ``Chem.MolFromSmiles`` keeps."""
    properties = ":".join(f"{place}.{_PLACE}.{place}" for place in range(num_written))
    kept = Chem.MolFromSmiles(f"{text} |atomProp:{properties}|")
    return [int(atom.GetProp(_PLACE)) for atom in kept.GetAtoms()]


def _ranks(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rank of each place; those that were added (-1) are the last, in their order."""
    last = np.where(places >= 0, places, np.iinfo(np.int64).max)
    ranks = np.empty(len(places), np.int64)
    ranks[np.argsort(last, kind="stable")] = np.arange(len(places))
    return ranks


def _ends(bond: Chem.Bond) -> tuple[int, int]:
    return _sorted(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())


def _sorted(first: int, second: int) -> tuple[int, int]:
    return (int(first), int(second)) if first < second else (int(second), int(first))
