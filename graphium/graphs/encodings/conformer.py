"""What coordinates tell an atom and a bond, unchanged by turning and moving the molecule."""

import numpy as np
from numpy.typing import NDArray

from graphium.config.features import FeaturesConfig
from graphium.errors import DataError
from graphium.graphs.encodings.stacks import split_molecules
from graphium.graphs.mol_block import MolBlock

BOND_LENGTH = "conformer_bond_length"
"""Name of the feature ``conformer-bond-length`` among a batch's ``bond_encodings``."""
DISTANCES = "conformer"
"""Name of the encoding among a batch's ``encodings``."""


def distance_kernels(block: MolBlock, num_kernels: int, cutoff: float) -> NDArray[np.float32]:
    r"""Return [N, K] how many atoms are about $\mu_k$ away from each atom.

    $$ e_{ik} = \sum_{j \neq i} \tfrac12 \big(1 + \cos(\pi d_{ij} / c)\big)
       \exp\!\Big(-\frac{(d_{ij} - \mu_k)^2}{2 \sigma^2}\Big), \quad d_{ij} < c $$

    with K centres $\mu_k$ from 0 to the cutoff c, each $\sigma$ from the next: radial symmetry
    functions (Behler and Parrinello 2007, 10.1103/PhysRevLett.98.146401, equations 4 and 5). The
    sum runs over the atoms of the same component: fragments are embedded each by itself. Atoms of
    a molecule without coordinates, and single atoms, have zeros.

    Args:
        block: Molecules with coordinates.
        num_kernels: K, 2 or more.
        cutoff: Distance in angstrom from which on an atom is not seen.

    Raises:
        DataError: The molecules have no coordinates.
    """
    positions = _coordinates(block)
    centres = np.linspace(0, cutoff, num_kernels, dtype=np.float32)
    spread = cutoff / (num_kernels - 1)
    out = np.zeros((len(positions), num_kernels), np.float32)
    molecules = split_molecules(block.num_atoms, block.num_bonds, block.bond_ends)
    for members in molecules.members():
        at = positions[members.atoms]  # [c, n, 3]
        between = np.sqrt(np.square(at[:, :, None] - at[:, None]).sum(axis=3))  # [c, n, n]
        seen = np.where(between < cutoff, (1 + np.cos(np.pi * between / cutoff)) / 2, 0)
        place = np.arange(seen.shape[1])
        seen[:, place, place] = 0
        between = np.nan_to_num(between)
        for kernel, centre in enumerate(centres):
            near = np.exp(-0.5 * ((between - centre) / spread) ** 2)
            out[members.atoms, kernel] = (seen * near).sum(axis=2)
    return out


def bond_lengths(block: MolBlock) -> NDArray[np.float32]:
    """Return [B, 1] the distance between the ends of each bond in angstrom.

    0, which no bond has, where the molecule has no coordinates.

    Raises:
        DataError: No molecule has any.
    """
    positions = _coordinates(block)
    first = np.repeat(block.atom_offsets()[:-1], block.num_bonds)
    begin, end = (positions[first + block.bond_ends[:, side]] for side in (0, 1))
    lengths = np.sqrt(np.square(begin - end).sum(axis=1, keepdims=True))
    return np.asarray(np.nan_to_num(lengths), np.float32)


def conformer_encodings(
    block: MolBlock, features: FeaturesConfig
) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    """Return what atoms [N, K] and bonds [B, K] read of the conformers, by name; often nothing.

    Raises:
        DataError: Something is read, and the molecules have no coordinates.
    """
    of_atoms, of_bonds = {}, {}
    how = features.encodings.conformer
    if how is not None:
        of_atoms[DISTANCES] = distance_kernels(block, how.num_kernels, how.cutoff)
    if "conformer-bond-length" in features.bonds:
        of_bonds[BOND_LENGTH] = bond_lengths(block)
    return of_atoms, of_bonds


def _coordinates(block: MolBlock) -> NDArray[np.float32]:
    if block.positions is None:
        raise DataError(
            "Conformer features need coordinates of atoms, and these molecules have none. Prepare "
            "their table with the dataset's option `conformers: {kind: etkdg}`."
        )
    return block.positions
