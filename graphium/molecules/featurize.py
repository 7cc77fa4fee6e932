"""From a chunk of SMILES to one ``MolBlock``: the unit of work of preparation and prediction.

Hand it 2,000 to 4,000 molecules at a time. RDKit holds the interpreter's lock, so parallel work
needs processes; this module imports no torch, so that they start at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from graphium.config.data import ConformersConfig, Hydrogens
from graphium.graphs.mol_block import MolBlock, RowStatus
from graphium.molecules.conformers import embed
from graphium.molecules.fast_path import ChunkReader, is_decoder_trusted, trusted_kernels
from graphium.molecules.given import given_coordinates, split_coordinates
from graphium.molecules.hashes import hash_chunk
from graphium.molecules.identity import accepted_mol, canonical_ranks, largest_fragment
from graphium.molecules.mol_blocks import is_mol_block, parse_text
from graphium.molecules.parse import parse_graphs

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
    num_by_getters: int
    """Molecules whose properties came through RDKit's getters, the slow path; the result is the
    same."""


def featurize_chunk(
    smiles: Sequence[str | None],
    hydrogens: Hydrogens = "implicit",
    *,
    ranks: bool = True,
    compiled: bool = False,
    conformers: ConformersConfig | None = None,
) -> FeaturizedChunk:
    """Featurise a chunk; a row that is refused has its reason in ``status`` and nothing else.

    The result depends on the rows alone: not on other chunks, on processes, or on the machine.

    Args:
        smiles: The rows; a mol block is read where a SMILES is, its atoms and bonds in its order.
        hydrogens: Which hydrogens are atoms.
        ranks: Whether to rank the atoms, which labels of atoms and bonds need and half a parse
            pays for.
        compiled: Whether to start numba, where it is installed; worth it from
            ``compiled.WORTH_ROWS`` molecules on.
        conformers: How to embed the molecules, where their coordinates are read; or that the rows
            give them.
    """
    kernels = trusted_kernels() if compiled else None
    reader = ChunkReader(is_trusted=is_decoder_trusted(), kernels=kernels)
    has_given = conformers is not None and conformers.kind == "given"
    cells = list(smiles)
    texts = [split_coordinates(text)[0] if has_given and text else text for text in cells]
    states = [RowStatus.OK] * len(texts)
    rank_arrays = [_NO_RANKS]
    positions = [np.zeros((0, 3), np.float32)]
    # The rows are gone through once more while they are parsed: who watches them sees which one.
    # Ranks and coordinates may read marks of possible stereo, which only the whole reading makes.
    is_whole = ranks or hydrogens != "implicit" or conformers is not None
    is_whole = is_whole or any(map(is_mol_block, texts))
    mols = (
        (parse_text(text, hydrogens) for text, _ in zip(texts, smiles, strict=True))
        if is_whole
        else parse_graphs(smiles)
    )
    for row, mol in enumerate(mols):
        if isinstance(mol, RowStatus):
            states[row] = mol
            continue
        reader.add(mol, may_have_centres="@" in str(texts[row]) or is_mol_block(texts[row]))
        if ranks:
            rank_arrays.append(canonical_ranks(mol))
        if conformers is not None:
            found = (
                given_coordinates(mol, str(cells[row]), hydrogens)
                if has_given
                else embed(mol, conformers)
            )
            unknown = np.full((mol.GetNumAtoms(), 3), np.nan, np.float32)
            positions.append(unknown if isinstance(found, str) else found)
    status = np.array(states, np.uint8)
    rows = np.flatnonzero(status == RowStatus.OK)

    def read_again(molecule: int) -> Chem.Mol:
        return accepted_mol(str(texts[rows[molecule]]), hydrogens)

    properties, num_by_getters = reader.properties(read_again)
    join_hash, split_hash = hash_chunk(
        properties, lambda molecule: largest_fragment(read_again(molecule)).atoms, kernels
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
        atom_rank=np.concatenate(rank_arrays).astype(np.uint16) if ranks else None,
        positions=None if conformers is None else np.concatenate(positions),
    )
    return FeaturizedChunk(block, status, rows, num_by_getters)
