"""From a chunk of SMILES to one ``MolBlock``: the unit of work of preparation and prediction.

Hand it 2,000 to 4,000 molecules at a time. RDKit holds the interpreter's lock, so parallel work
needs processes; this module imports no torch, so that they start at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from graphium.graphs.mol_block import MolBlock, RowStatus
from graphium.molecules.getters import properties_of_chunk
from graphium.molecules.hashes import hash_chunk
from graphium.molecules.identity import canonical_ranks, largest_fragment
from graphium.molecules.parse import parse_smiles

_NO_RANKS = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class FeaturizedChunk:
    """What became of S rows; G of them are molecules."""

    block: MolBlock
    """The accepted molecules, in the order of the rows."""
    status: NDArray[np.uint8]
    """[S] ``RowStatus`` of each row."""
    rows: NDArray[np.int64]
    """[G] positions of the accepted rows, increasing."""
    path: Literal["getters"] = "getters"
    """Which code read the properties."""


def featurize_chunk(smiles: Sequence[str | None]) -> FeaturizedChunk:
    """Featurise a chunk; a row that is refused has its reason in ``status`` and nothing else.

    The result depends on the rows alone: not on other chunks, on processes, or on the machine.
    """
    parsed = [parse_smiles(text) for text in smiles]
    status = np.array(
        [one if isinstance(one, RowStatus) else RowStatus.OK for one in parsed], np.uint8
    )
    mols = [one for one in parsed if not isinstance(one, RowStatus)]
    properties = properties_of_chunk(mols)
    join_hash, split_hash = hash_chunk(
        properties, lambda molecule: largest_fragment(mols[molecule]).atoms
    )
    block = MolBlock(
        num_atoms=properties.num_atoms,
        num_bonds=properties.num_bonds,
        atom_code=properties.atom_code,
        bond_ends=properties.bond_ends,
        bond_code=properties.bond_code,
        atom_table=properties.atom_table,
        bond_table=properties.bond_table,
        join_hash=join_hash,
        split_hash=split_hash,
        atom_rank=np.concatenate([_NO_RANKS, *map(canonical_ranks, mols)]).astype(np.uint16),
    )
    return FeaturizedChunk(block, status, np.flatnonzero(status == RowStatus.OK))
