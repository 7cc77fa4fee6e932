"""Coordinates that a table gives: of a mol block, or written after a SMILES (CXSMILES).

``CCO |(0,0,0;1.5,0,0;2,1.4,0)|`` has one triple for each atom that the SMILES writes. Only
coordinates are read: other parts of a CXSMILES may change the molecule, so that its text is refused
as before. Coordinates become float32 once and are not calculated with.
"""

import re

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from graphium.config.data import Hydrogens
from graphium.molecules.mol_blocks import block_positions, is_mol_block, num_block_atoms
from graphium.molecules.written import written_orders

Positions = NDArray[np.float32] | str
"""[n, 3] coordinates in angstrom, or why there are none."""

_COORDINATES = re.compile(r"\s*(\S+)\s+\|\(([-+.,;\deE\s]*)\)\|\s*")


def split_coordinates(text: str) -> tuple[str, Positions]:
    """Return the SMILES of a cell, and the coordinates [W, 3] of the atoms that it writes.

    Why there are none: the cell has ``no_coordinates``, those of a drawing
    (``two_dimensional``: no z), or such that are no numbers (``not_finite``).
    """
    if "|" not in text:
        return text, "no_coordinates"
    found = _COORDINATES.fullmatch(text)
    if found is None:
        return text, "no_coordinates"
    smiles, written = found.groups()
    points = [point.split(",") for point in written.split(";")]
    if not any(len(point) == 3 and point[2].strip() for point in points):
        return smiles, "two_dimensional"
    try:
        positions = np.array([[float(one or 0) for one in point] for point in points])
    except ValueError:
        return smiles, "not_finite"
    if positions.ndim != 2 or positions.shape[1] != 3 or not np.isfinite(positions).all():
        return smiles, "not_finite"
    if len(positions) > 1 and (positions == positions[0]).all():
        return smiles, "no_coordinates"
    return smiles, positions.astype(np.float32)


def given_coordinates(mol: Chem.Mol, cell: str, hydrogens: Hydrogens = "implicit") -> Positions:
    """Return the coordinates that a cell gives the atoms of its graph [n, 3].

    Args:
        mol: What ``parse_text`` makes of the cell without coordinates.
        cell: A mol block, or a SMILES with or without coordinates.
        hydrogens: Which hydrogens are atoms of the graph.
    """
    if not is_mol_block(cell):
        smiles, given = split_coordinates(cell)
        return place_atoms(smiles, mol.GetNumAtoms(), given, hydrogens)
    if hydrogens == "explicit" and mol.GetNumAtoms() > num_block_atoms(cell):
        return "added_hydrogens"
    return block_positions(mol)


def place_atoms(
    smiles: str, num_atoms: int, given: Positions, hydrogens: Hydrogens = "implicit"
) -> Positions:
    """Return the coordinates of the graph's atoms [n, 3].

    Why there are none: there were none; the ``wrong_number`` of them was given; or the graph has
    ``added_hydrogens``, which the table does not write.

    Args:
        smiles: An accepted molecule.
        num_atoms: Atoms of its graph.
        given: [W, 3] coordinates of the atoms that the SMILES writes.
        hydrogens: Which hydrogens are atoms of the graph.
    """
    if isinstance(given, str):
        return given
    order = written_orders([smiles], hydrogens)[0]
    if len(given) != (num_atoms if order is None else order.num_atoms):
        return "wrong_number"
    if order is None:
        return given
    return "added_hydrogens" if (order.atoms < 0).any() else given[order.atoms]
