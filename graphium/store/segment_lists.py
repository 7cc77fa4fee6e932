"""The list columns of one segment, brought to the order of the graphs' atoms and bonds.

A list is over the atoms (bonds, pairs of atoms) of the graph or over those that the SMILES writes;
its length tells which. Where both numbers of atoms are equal, both orders are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphium.config.data import Level
from graphium.errors import DataError
from graphium.graphs.levels import level_sizes, pair_ends, pair_number
from graphium.graphs.mol_block import MolBlock
from graphium.labels.columns import read_lists
from graphium.labels.list_cells import find_misfit, fitting_levels, one_number_each
from graphium.molecules.mol_blocks import BlockSmiles
from graphium.molecules.written import WrittenOrder, block_order, written_orders
from graphium.store.records import Plan, StoredColumn

Cells = list[NDArray[np.float32] | None]
"""One array of labels for each molecule: a number for each atom, bond or pair, or None."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The list columns of G molecules."""

    cells: dict[str, Cells]
    """Column -> one array for each molecule, in the order of its graph."""
    notes: dict[int, str]
    """Molecule -> why a list of it cannot be used."""
    left_out: dict[str, NDArray[np.int64]]
    """Column -> [G] labels of hydrogens that are no atoms of the graph, or of their bonds."""

    def select(self, keep: NDArray[np.int64]) -> "Lists":
        """Return the molecules ``keep``, without notes."""
        return Lists(
            {name: [cells[row] for row in keep.tolist()] for name, cells in self.cells.items()},
            {},
            {name: counts[keep] for name, counts in self.left_out.items()},
        )


@dataclass(frozen=True, slots=True)
class _Molecule:
    """What is needed to read the lists of one row."""

    row: int
    num_atoms: int
    num_bonds: int
    order: WrittenOrder | None


def arrange_lists(
    plan: Plan,
    rows: pa.Table,
    accepted: NDArray[np.int64],
    smiles: Sequence[str],
    block: MolBlock,
    first_row: int,
    mol_blocks: Sequence[BlockSmiles | None] | None = None,
) -> Lists:
    """Read the list columns of the accepted rows of a segment.

    Args:
        plan: Columns and options.
        rows: The segment's rows of the table.
        accepted: [G] rows with a molecule.
        smiles: [G] their SMILES.
        block: The G molecules.
        first_row: Row of the table at which the segment begins.
        mol_blocks: [G] how those that the table gives as mol blocks became SMILES. Lists follow
            the order of the block then; None where the table gives SMILES.

    Returns:
        The lists; a list without elements is a missing label.

    Raises:
        DataError: Atom maps say another order than the text, and the dataset does not say which one
            the lists have.
    """
    out = Lists({}, {}, {})
    columns = [column for column in plan.columns if column.kind == "list"]
    if not columns:
        return out
    orders = written_orders(smiles, plan.hydrogens)
    if mol_blocks is not None:
        orders = [
            order if one is None else block_order(text, one, plan.hydrogens)
            for order, text, one in zip(orders, smiles, mol_blocks, strict=True)
        ]
    molecules = [
        _Molecule(first_row + row, *parts)
        for row, *parts in zip(
            accepted.tolist(),
            block.num_atoms.tolist(),
            block.num_bonds.tolist(),
            orders,
            strict=True,
        )
    ]
    for column in columns:
        cells = _read(rows, column.name)
        arranged: Cells = []
        left_out = np.zeros(len(molecules), np.int64)
        for number, (row, molecule) in enumerate(zip(accepted.tolist(), molecules, strict=True)):
            cell = cells[row]
            if cell is None or not cell.size:
                arranged.append(None)
                continue
            found = _arrange(plan, column, molecule, cell)
            if isinstance(found, str):
                out.notes.setdefault(number, f"'{column.name}' {found}")
                arranged.append(None)
                continue
            given, labels = found
            arranged.append(labels)
            left_out[number] = _count_known(given) - _count_known(labels)
        out.cells[column.name] = arranged
        out.left_out[column.name] = left_out
    return out


def _arrange(
    plan: Plan, column: StoredColumn, molecule: _Molecule, cell: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | str:
    """Return one number for each that the cell describes, and the same in the graph's order."""
    sizes = _sizes_that_fit(column.level, molecule, cell)
    if isinstance(sizes, str):
        return sizes
    num_atoms, num_bonds = sizes
    wrong = find_misfit(cell, column.level, num_atoms, num_bonds)
    if wrong is not None:
        return wrong
    given = one_number_each(cell, column.level, num_atoms)
    if column.level == "edge":
        order = molecule.order
        if order is None:
            places = np.arange(num_bonds)
        else:
            is_written = num_bonds == order.num_bonds
            places = order.bonds if is_written else order.bonds_among_graph
    else:
        found = _node_places(plan, column.name, molecule, num_atoms)
        if isinstance(found, str):
            return found
        places = found if column.level == "node" else _pair_places(found, num_atoms)
    return given, np.where(places >= 0, given[places], np.float32(np.nan))


def _sizes_that_fit(
    level: Level, molecule: _Molecule, cell: NDArray[np.float32]
) -> tuple[int, int] | str:
    """Return the atoms and bonds that a cell speaks of: the graph's, or those as written."""
    graph = (molecule.num_atoms, molecule.num_bonds)
    order = molecule.order
    written = graph if order is None else (order.num_atoms, order.num_bonds)
    fitting = [size for size in (graph, written) if fitting_levels(cell, (level,), *size)]
    if not fitting:
        wrong = str(find_misfit(cell, level, *graph))
        if written == graph:
            return wrong
        size = level_sizes(level, np.array([written[0]]), np.array([written[1]]))[0]
        return f"{wrong} ({size} as written)"
    if fitting[0] != fitting[-1] and level == "nodepair":
        return (
            f"has {cell.size} numbers, which fit {graph[0]} atoms and {written[0]} written ones; "
            "give a list of the rows of a matrix"
        )
    return fitting[0]


def _pair_places(atoms: NDArray[np.int64], num_given: int) -> NDArray[np.int64]:
    """Return the place of each pair of the graph among those of a list over so many atoms."""
    size = len(atoms)
    number = np.arange(size * (size - 1) // 2)
    ends = atoms[pair_ends(number, np.full(len(number), size))]
    places = pair_number(ends, np.full(len(number), num_given))
    return np.where((ends >= 0).all(axis=1), places, -1)


def _node_places(
    plan: Plan, name: str, molecule: _Molecule, length: int
) -> NDArray[np.int64] | str:
    """Return [N] which of so many listed atoms each atom of the graph is, -1 for none.

    Raises:
        DataError: Maps say another order than the text, and ``atom_order`` is not given.
    """
    order = molecule.order
    if order is None:
        if plan.atom_order == "map" and length > 1:
            return "is in the order of atom maps, and the SMILES has none"
        return np.arange(length)
    if length == molecule.num_atoms:
        kept = order.atoms_among_graph
        maps = np.full(length, -1, np.int64)  # of the listed atoms
        maps[kept] = np.where(order.atoms >= 0, order.maps[order.atoms], -1)
        numbered = maps[: int((order.atoms >= 0).sum())]
    else:
        maps, kept, numbered = order.maps, order.atoms, order.maps
    if plan.atom_order == "map":
        element = maps - maps.min()
        if maps.min() not in (0, 1) or not np.array_equal(np.sort(element), np.arange(length)):
            return (
                f"is in the order of atom maps, and those of its {length} atoms are not 1 to "
                f"{length} (or 0 to {length - 1}), each once"
            )
        return np.where(kept >= 0, element[kept], -1)
    if plan.atom_order is None and _maps_disagree(numbered):
        source, row = plan.place(molecule.row)
        raise DataError(
            f"Row {row} of {source}: the atom maps of the SMILES are in another "
            f"order than its atoms, so it is not clear which atoms the list in '{name}' speaks of. "
            "Give the dataset option `atom_order: map` (the list follows the numbers) or "
            "`atom_order: smiles` (it follows the atoms as they are written)."
        )
    return kept


def _maps_disagree(maps: NDArray[np.int64]) -> bool:
    """Say whether every atom has a number of its own, and they are not in rising order."""
    is_complete = (maps >= 0).all() and len(np.unique(maps)) == len(maps)
    return bool(is_complete and (np.diff(maps) < 0).any())


def _read(rows: pa.Table, name: str) -> Cells:
    lists = read_lists(rows.column(name).combine_chunks())
    if lists is None:
        raise DataError(f"The table changed while it was read: '{name}' had lists of numbers.")
    return lists


def _count_known(values: NDArray[np.float32]) -> int:
    return int(np.isfinite(values).sum())
