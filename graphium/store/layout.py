"""What is on disk: the folders and files of a store, its arrays, their types and units.

::

    <name>/                        name = <stem of the table>-<16 hex digits of its content key>
      MANIFEST.json                the store exists if and only if this file verifies
      plan.json                    what to make: columns and their kinds, rows of each segment
      rejects.csv                  row, smiles, reason: the rows that became no molecule; of
                                   several files also the file and the row in it
      commits/<segment>.json       one record for each finished segment, created once
      segments/<segment>-<attempt>-<writer>/
                                   a zarr v3 group: the arrays below, never changed again
      owners/<writer>.lock         only while a process prepares the store
      parts.json                   only while parts of it are prepared apart: with which command
      encodings/<kind>-<digest>/   encodings that were added later (store/encodings.py)

Every array is one shard (one file) with inner chunks, compressed by zstd and then guarded by
crc32c. Integers take the narrowest of u8, u16, u32 that holds them, chosen per segment. Ragged data
are flat arrays; their pieces follow from ``n_atoms`` and ``n_bonds``. Source rows need no array: a
segment covers consecutive rows, and ``status`` is 0 for those that became its molecules, in order.

S source rows, G molecules, N atoms, B bonds, P pairs of atoms of one segment; L columns of a level
(of molecules: of one kind of value), K known labels of them.
"""

from dataclasses import dataclass

FORMAT = "graphium-store"
FORMAT_VERSION = 3
"""Written to every manifest; a reader refuses versions it does not know."""

MANIFEST = "MANIFEST.json"
PLAN = "plan.json"
REJECTS = "rejects.csv"
COMMITS = "commits"
SEGMENTS = "segments"
OWNERS = "owners"
PARTS = "parts.json"
ENCODINGS = "encodings"
TEMPORARY = ".tmp-"
"""Prefix of files that are being written; the writer's name follows."""

MAX_SEGMENT_ROWS = 1 << 15
"""Source rows of a segment, at most: what a process holds while it works hardly grows up to it."""
MAX_SEGMENT_CELLS = 1 << 24
"""Source rows times kept columns of a segment, at most: what a process holds while it works."""
MAX_SEGMENTS = 100_000
"""Segments of a store, at most: their numbers have five digits."""
MIN_SEGMENT_ROWS = 1_000
"""Smaller tables are not divided."""
SEGMENTS_OF_SMALL_TABLES = 8
"""A table of less than eight full segments is divided into up to eight, so that several workers
share it; the division depends on rows and columns alone, never on the number of workers."""

CHUNK_ROWS = 1 << 16
"""Rows of an inner chunk of a one-dimensional array."""
CHUNK_BYTES = 1 << 19
"""Raw bytes of an inner chunk of a wide array, at most."""
ZSTD_LEVEL = 3
ZSTD_LEVELS = dict.fromkeys(
    ("graph_bit_known", "graph_bit_labels", "graph_code_known", "graph_float_known"), 1
)
"""Other levels, of single bits: where these have no pattern, a higher level packs them worse."""


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """One array of a segment."""

    shape: str
    dtype: str
    """Type on disk; ``uint`` is the narrowest of u8, u16, u32."""
    meaning: str


ARRAYS = {
    "status": ArrayInfo("S", "uint8", "RowStatus of each source row; 0 is a molecule"),
    "rejected_length": ArrayInfo("S - G", "uint", "bytes of the SMILES of each rejected row"),
    "rejected_smiles": ArrayInfo("sum", "uint8", "those SMILES in UTF-8, one after another"),
    "rejected_note_length": ArrayInfo("S - G", "uint", "bytes of the note on each rejected row"),
    "rejected_note": ArrayInfo("sum", "uint8", "notes in UTF-8: what the status does not say"),
    "n_atoms": ArrayInfo("G", "uint", "atoms of each molecule"),
    "n_bonds": ArrayInfo("G", "uint", "bonds of each molecule, each counted once"),
    "atom_code": ArrayInfo("N", "uint", "row of atom_table of each atom, in RDKit's order"),
    "atom_rank": ArrayInfo("N", "uint", "canonical rank of each atom inside its molecule"),
    "bond_ends": ArrayInfo("B, 2", "uint", "begin and end atom, counted inside the molecule"),
    "bond_code": ArrayInfo("B", "uint", "row of bond_table of each bond, in RDKit's order"),
    "atom_table": ArrayInfo("V, 21", "int16", "distinct atoms; columns are ATOM_PROPERTIES"),
    "bond_table": ArrayInfo("W, 6", "int16", "distinct bonds; columns are BOND_PROPERTIES"),
    "split_hash": ArrayInfo("G", "uint64", "hash of the largest fragment"),
    "join_rows": ArrayInfo("R", "uint", "molecules whose hash as a whole is another, increasing"),
    "join_hash": ArrayInfo("R", "uint64", "hash of those whole molecules"),
    "positions": ArrayInfo("N, 3", "float32", "angstrom; NaN for all atoms of a molecule without"),
    "smiles_length": ArrayInfo("G", "uint", "bytes of each SMILES"),
    "smiles": ArrayInfo("sum", "uint8", "the SMILES in UTF-8, one after another"),
    "graph_bit_known": ArrayInfo("G, L / 8", "uint8", "which labels of binary columns are known"),
    "graph_bit_labels": ArrayInfo("K / 8", "uint8", "those labels, 0 or 1, eight to a byte"),
    "graph_code_known": ArrayInfo("G, L / 8", "uint8", "which of columns of small numbers are"),
    "graph_code_labels": ArrayInfo("K", "uint8", "those labels plus 1: whole numbers from -1"),
    "graph_float_known": ArrayInfo("G, L / 8", "uint8", "which labels of other columns are known"),
    "graph_float_labels": ArrayInfo("K", "float32", "those labels, molecule after molecule"),
    "node_rows": ArrayInfo("R", "uint", "molecules with a label of an atom, increasing"),
    "node_labels": ArrayInfo("N of those, L", "float32", "labels of their atoms; NaN is missing"),
    "edge_rows": ArrayInfo("R", "uint", "molecules with a label of a bond, increasing"),
    "edge_labels": ArrayInfo("B of those, L", "float32", "labels of their bonds; NaN is missing"),
    "nodepair_rows": ArrayInfo("R", "uint", "molecules with a label of a pair, increasing"),
    "nodepair_labels": ArrayInfo(
        "P of those, L",
        "float32",
        "labels of their pairs of atoms (0, 1), (0, 2), ..., (n - 2, n - 1); NaN is missing",
    ),
    "descriptors": ArrayInfo("G, L", "float32", "computed descriptors; NaN is missing"),
    "morgan_bits": ArrayInfo("G, L / 8", "uint8", "computed bits, the first in the lowest place"),
    "maccs_keys": ArrayInfo("G, 21", "uint8", "computed MACCS keys 1 to 166, stored likewise"),
    "text_code": ArrayInfo("G, T", "uint", "1 + position among the strings of the column; 0 none"),
}
"""The arrays of a segment. Bits fill bytes from the lowest place. ``*_labels`` and ``text_code``
exist where the table has such columns; their attributes name the ``columns``, the ``units`` of some
of them and the ``strings`` of text columns. ``atom_rank`` exists where some column describes atoms,
bonds or pairs. ``positions`` and arrays of computed labels exist where they are asked for;
``names`` of the latter are those of their columns after the dot (of bits, the first and the last).
"""
