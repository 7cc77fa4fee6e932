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


def _ends(bond: Chem.Bond) -> tuple[int, int]:
    return _sorted(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())


def _sorted(first: int, second: int) -> tuple[int, int]:
    return (int(first), int(second)) if first < second else (int(second), int(first))
