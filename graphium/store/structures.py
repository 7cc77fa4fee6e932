"""The molecules of a segment's rows as SMILES, whatever form the table gives them in (in a worker).

A mol block becomes a SMILES, and coordinates behind a SMILES are taken off it. All that follows
knows SMILES alone; ``blocks`` and ``positions`` say what else the rows gave.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from graphium.errors import quoted
from graphium.molecules.given import Positions, split_coordinates
from graphium.molecules.mol_blocks import BlockSmiles, Refused, block_smiles, is_mol_block
from graphium.store.limits import Refusal, Refusals
from graphium.store.watch import Watch


@dataclass(frozen=True, slots=True)
class Structures:
    """S rows."""

    smiles: list[str | None]
    """[S] SMILES; None where there is none, or a mol block is refused."""
    refused: Refusals
    """Rows that are not read, with those whose mol block is refused."""
    blocks: dict[int, BlockSmiles]
    """Row -> how its mol block was written as SMILES."""
    positions: dict[int, Positions]
    """Row -> coordinates of the atoms of its SMILES, where they are asked for."""


def read_structures(
    cells: Sequence[str | None], refused: Refusals, watch: Watch, *, has_coordinates: bool
) -> Structures:
    """Read the cells of the SMILES column.

    Args:
        cells: [S] SMILES or mol blocks.
        refused: Rows that must not be read.
        watch: Told which row is being worked on.
        has_coordinates: Whether coordinates may follow a SMILES, and are kept.
    """
    blocks = [is_mol_block(cell) for cell in cells]
    out = Structures(list(cells), dict(refused), {}, {})
    if not has_coordinates and not any(blocks):
        return out
    more: dict[int, Refusal] = {}
    readable = [None if row in refused else cell for row, cell in enumerate(cells)]
    for row, cell in enumerate(watch.over(readable, range(len(cells)))):
        if blocks[row]:
            out.smiles[row] = None
        if cell is None:
            continue
        if not blocks[row]:
            if has_coordinates:
                out.smiles[row], out.positions[row] = split_coordinates(cell)
            continue
        found = block_smiles(cell)
        if isinstance(found, Refused):
            title = cell.partition("\n")[0].strip()
            called = f" (it is called {quoted(title)})" if title else ""
            more[row] = Refusal(found.status, found.note + called)
            continue
        out.smiles[row], out.blocks[row] = found.smiles, found
        if has_coordinates:
            out.positions[row] = found.positions
    return Structures(out.smiles, {**refused, **more}, out.blocks, out.positions)
