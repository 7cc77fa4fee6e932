"""Properties of a chunk through ``decode.py``, and through the getters where that is not safe.

The decoder leans on the layout of RDKit's serialisation. Three guards stand before it: it runs only
with versions of RDKit for which every property of every atom and bond of some hundred thousand
molecules has been found equal to the getters (``TESTED_RDKIT``); it reads fifty molecules by both
ways at first use and keeps to the getters if one number differs; and a molecule that holds anything
it does not know (atom maps, dummies, queries, more than 255 atoms) takes the getters by itself.

Compiled code is trusted no sooner than the rest: numba keeps it on disk and makes it anew when its
own file has changed, but not when a constant that it reads from another module has.
"""

import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from graphium.graphs.mol_block import offsets, ragged_index
from graphium.graphs.properties import ATOM_PROPERTIES
from graphium.molecules import decode, getters
from graphium.molecules.compiled import Kernels, load_kernels
from graphium.molecules.getters import CIP_CODES, ChunkProperties, MoleculeRows, RowArrays
from graphium.molecules.hashes import hash_chunk
from graphium.molecules.vocabulary import encode_rows

_LOG = logging.getLogger(__name__)

TESTED_RDKIT = (
    "2025.03.6", "2025.09.6", "2026.03.6", "2026.09.1",
)  # fmt: skip
"""Versions for which ``benchmarks/featurise_equality.py`` has found no difference."""

SELF_TEST = (
    "C", "[H][H]", "[CH3]", "C#C", "N#N", "[Na+].[Cl-]", "CC(=O)Oc1ccccc1C(=O)O",
    "c1ccc2[nH]ccc2c1", "C[C@H](N)C(=O)O", "C[C@@H](O)[C@H](F)Cl", "F/C=C/F", "F/C=C\\F", "CC=NO",
    "C/C(=N\\O)/Cl", "O=[N+]([O-])c1ccccc1", "CS(=O)(=O)N", "CS(C)=O", "C[S@](=O)CC", "OP(=O)(O)O",
    "FS(F)(F)(F)(F)F", "[13CH3]C", "[2H]OC", "[18F]c1ccccc1", "[nH]1cccc1", "c1cc[n+]([O-])cc1",
    "[O-][Cl+3]([O-])([O-])[O-]", "B(O)O", "C[Si](C)(C)C", "[SeH2]", "C[As](C)C", "I(=O)(=O)O",
    "C12C3C4C1C5C2C3C45", "C1CC2CC1CC2", "C1CCCCCCCCCCCCCCC1", "C1CC1", "C1CCC1", "c1ccc2ccccc2c1",
    "C1CC2(C1)CCC2", "[CH2-][N+]#N", "[C-]#[O+]", "CN=[N+]=[N-]", "[Fe+2]",
    "[K+].[O-]C(=O)c1ccccc1", "N[C@@H](Cc1c[nH]c2ccccc12)C(=O)O", "C1=CC=CC=CC=C1", "OC1=CC=CC=C1",
    "O=C1C=CC(=O)C=C1", "CC(C)=C=C", "Br/C=C/C=C\\I", "c1ccsc1",
)  # fmt: skip
"""Molecules that are read by both ways before the decoder is trusted."""

_T = TypeVar("_T", bound=np.generic)
_ONE_LINE = 10**9
_CIP_LIST = "atom.prop._CIPCode"
_CIP_OF_LETTER = np.zeros(256, np.int16)
for _letter, _code in CIP_CODES.items():
    _CIP_OF_LETTER[ord(_letter)] = _code
_CIP = ATOM_PROPERTIES.index("cip_code")
_TAG = ATOM_PROPERTIES.index("chiral_tag")


@cache
def is_decoder_trusted() -> bool:
    """Return whether this version of RDKit is tested and passes the self-test in this process."""
    return rdBase.rdkitVersion in TESTED_RDKIT and agrees_with_getters(SELF_TEST)


@cache
def trusted_kernels() -> Kernels | None:
    """Return the compiled code where numba is installed and it passes the self-test."""
    kernels = load_kernels()
    if kernels is None or _agrees_with_numpy(kernels):
        return kernels
    _LOG.warning(
        "the compiled code of graphium.molecules.kernels gives other results than the code it "
        "stands for, and is not used; it may be out of date: remove what numba keeps of it "
        "(kernels.*.nbi and .nbc, in __pycache__ beside it or in $NUMBA_CACHE_DIR)"
    )
    return None


def _agrees_with_numpy(kernels: Kernels) -> bool:
    """Return whether compiled and plain code make the same of the molecules of the self-test."""
    mols = [Chem.MolFromSmiles(text) for text in SELF_TEST]
    properties = getters.properties_of_chunk(mols)
    plain, fast = (hash_chunk(properties, lambda _: (0,), one) for one in (None, kernels))
    is_equal = all(np.array_equal(one, other) for one, other in zip(plain, fast, strict=True))
    return is_equal and (not is_decoder_trusted() or agrees_with_getters(SELF_TEST, kernels))


def agrees_with_getters(smiles: Sequence[str], kernels: Kernels | None = None) -> bool:
    """Return whether the decoder reads all these molecules, each as the getters do."""
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    reader = ChunkReader(is_trusted=True, kernels=kernels)
    for mol in mols:
        reader.add(mol)
    read, num_by_getters = reader.properties(lambda molecule: mols[molecule])
    return num_by_getters == 0 and equal_properties(read, getters.properties_of_chunk(mols))


def equal_properties(one: ChunkProperties, other: ChunkProperties) -> bool:
    """Return whether two chunks are equal in every property."""
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ChunkProperties.__dataclass_fields__
    )


class ChunkReader:
    """Takes the molecules of a chunk one by one, and needs none of them afterwards.

    Args:
        is_trusted: Whether to use the decoder; without it everything takes the getters.
        kernels: Compiled code, where it is worth its start; the result is the same.
    """

    def __init__(self, *, is_trusted: bool, kernels: Kernels | None = None) -> None:
        self._is_trusted = is_trusted
        self._kernels = kernels
        self._rows: list[MoleculeRows] = []
        self._blobs: list[bytes] = []
        self._cip_codes: dict[int, str] = {}

    def add(self, mol: Chem.Mol, *, may_have_centres: bool = True) -> None:
        """Take the next molecule.

        Args:
            mol: As ``parse.py`` makes it.
            may_have_centres: Whether its SMILES marks any stereo centre.
        """
        if not self._is_trusted:
            self._rows.append(getters.molecule_rows(mol))
            return
        if may_have_centres:
            # One call for all atoms: the codes, or a minus, with a blank between any two.
            Chem.CreateAtomStringPropertyList(mol, "_CIPCode", "-", _ONE_LINE)
            if mol.HasProp(_CIP_LIST):
                codes = mol.GetProp(_CIP_LIST)
                self._cip_codes[len(self._blobs)] = codes[len("[-] ") :: 2]
        self._blobs.append(mol.ToBinary(0))  # 0: no properties

    def properties(self, read_again: Callable[[int], Chem.Mol]) -> tuple[ChunkProperties, int]:
        """Return the properties of all, and the number of molecules that took the getters.

        Args:
            read_again: Molecule (counted from 0) to itself; asked for those that the decoder
                refuses.
        """
        if not self._is_trusted:
            rows = getters.as_arrays(self._rows)
            return self._encode(rows), len(self._rows)
        buffer = decode.join_blobs(self._blobs)
        decoder = decode.decode if self._kernels is None else self._kernels.decode
        decoded = decoder(buffer)
        self._add_cip_codes(decoded)
        refused = np.flatnonzero(decoded.is_refused)
        rows = RowArrays(
            decoded.num_atoms, decoded.num_bonds, decoded.atoms, decoded.bonds, decoded.ends
        )
        if len(refused):
            again = [getters.molecule_rows(read_again(molecule)) for molecule in refused.tolist()]
            rows = _insert(rows, getters.as_arrays(again), decoded.is_refused)
        return self._encode(rows), len(refused)

    def _encode(self, rows: RowArrays) -> ChunkProperties:
        atom_table, atom_code = encode_rows(rows.atoms, self._kernels)
        bond_table, bond_code = encode_rows(rows.bonds, self._kernels)
        return ChunkProperties(
            num_atoms=rows.num_atoms,
            num_bonds=rows.num_bonds,
            atom_code=atom_code,
            bond_ends=rows.ends,
            bond_code=bond_code,
            atom_table=atom_table,
            bond_table=bond_table,
        )

    def _add_cip_codes(self, decoded: decode.Decoded) -> None:
        owners = [m for m in self._cip_codes if not decoded.is_refused[m]]
        letters = "".join([self._cip_codes[m] for m in owners]).encode()
        codes = _CIP_OF_LETTER[np.frombuffer(letters, np.uint8)]
        starts = offsets(decoded.num_atoms)[:-1]
        atoms = ragged_index(starts[owners], decoded.num_atoms[owners])
        # As the getters: a code counts only on an atom whose tag says that it is a centre.
        decoded.atoms[atoms, _CIP] = np.where(decoded.atoms[atoms, _TAG] == 0, 0, codes)


def _insert(rows: RowArrays, extra: RowArrays, is_extra: NDArray[np.bool_]) -> RowArrays:
    """Return the rows of all molecules; those of the extra ones stand in ``extra``, in order."""
    num_atoms, num_bonds = rows.num_atoms.copy(), rows.num_bonds.copy()
    num_atoms[is_extra], num_bonds[is_extra] = extra.num_atoms, extra.num_bonds
    return RowArrays(
        num_atoms,
        num_bonds,
        _interleave(rows.atoms, extra.atoms, num_atoms, is_extra),
        _interleave(rows.bonds, extra.bonds, num_bonds, is_extra),
        _interleave(rows.ends, extra.ends, num_bonds, is_extra),
    )


def _interleave(
    rows: NDArray[_T], extra: NDArray[_T], lengths: NDArray[np.int32], is_extra: NDArray[np.bool_]
) -> NDArray[_T]:
    starts = offsets(lengths)[:-1]
    out = np.empty((len(rows) + len(extra), rows.shape[1]), rows.dtype)
    out[ragged_index(starts[~is_extra], lengths[~is_extra])] = rows
    out[ragged_index(starts[is_extra], lengths[is_extra])] = extra
    return out
