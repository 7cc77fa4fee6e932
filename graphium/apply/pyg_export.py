"""``graphium data export --format pyg``: a store as PyTorch Geometric reads it.

A file is what ``InMemoryDataset.load`` takes: the molecules put together, and where each begins.
It holds tensors, numbers and text alone, so that ``torch.load(..., weights_only=True)`` reads it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphium.apply.outputs import replacing
from graphium.batching.pack import pack_block
from graphium.config.data import Level
from graphium.config.features import FeaturesConfig
from graphium.errors import DataError, UsageError
from graphium.graphs.features import ATOM_FEATURES, BOND_FEATURES, CONFORMER_BOND_FEATURES
from graphium.graphs.levels import level_sizes, pair_ends
from graphium.graphs.mol_block import MolBlock, offsets, ragged_index
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES
from graphium.labels.header import shorten
from graphium.store.read import Store

SUFFIX = ".pt"
_NO_FOLDERS = (".pth", ".pkl", ".ckpt", ".npz", ".csv", ".parquet")
"""Ends of names that nobody gives a folder."""
_FILE = re.compile(rf"\d{{5}}{re.escape(SUFFIX)}")
ATTRIBUTES: dict[Level, str] = {
    "graph": "y",
    "node": "y_node",
    "edge": "y_edge",
    "nodepair": "y_nodepair",
}
"""Attribute of the labels of each level."""


@dataclass(slots=True)
class Collated:
    """G molecules put together as PyG does it."""

    data: dict[str, Any] = field(default_factory=dict)
    slices: dict[str, Tensor] = field(default_factory=dict)
    """Attribute -> [G + 1] where each molecule begins."""

    def add(self, name: str, values: NDArray[Any] | list[Any], sizes: NDArray[Any]) -> None:
        """Add an attribute, of which each molecule has so many rows."""
        content = values if isinstance(values, list) else np.ascontiguousarray(values)
        self.data[name] = content if isinstance(content, list) else torch.from_numpy(content)
        self.slices[name] = torch.from_numpy(offsets(sizes))


def export_pyg(
    store: Store,
    output: Path,
    *,
    features: FeaturesConfig | None = None,
    labels: Sequence[str] = ("*",),
    force: bool = False,
) -> list[Path]:
    """Write all molecules of a store for PyTorch Geometric.

    Each molecule has ``x`` [n, F]; ``edge_index`` [2, 2 b], where directed edges 2 k and 2 k + 1
    are bond k as the store has it and back; ``edge_attr`` [2 b, D]; ``smiles``; ``source_row``, its
    row in the table; ``pos`` [n, 3] in angstrom, if the store has coordinates; and labels in
    float32, NaN where one is not known: ``y`` [1, L], ``y_node`` [n, L], ``y_edge`` [2 b, L] (equal
    both ways) and ``y_nodepair`` [P, L], with the atoms of the pairs in ``pair_index`` [2, P], for
    molecules that have any. ``text_<column>`` is a string, empty where there is none.
    The collected ``meta`` of a file names the columns of all of them, with units.

    Args:
        store: What to write.
        output: A file that ends in ``.pt``, or a folder, which gets a file for each segment: no
            more than one of these is in memory.
        features: Gives ``x`` and ``edge_attr`` in float32, and encodings by their names (of bonds,
            ``edge_<name>``). None: the stored properties as they are, int64.
        labels: Names or patterns of the columns to write, text included.
        force: Replace files that exist.

    Returns:
        The files written.

    Raises:
        DataError: A pattern fits no column, or ``features`` read coordinates that are not there.
        UsageError: A file exists or has the name of another format, or the folder cannot be made or
            has other files.
    """
    columns = _choose(store, labels)
    if output.suffix == SUFFIX:
        parts = {output: store}
        taken = [output] if output.exists() else []
    elif output.suffix in _NO_FOLDERS:
        raise UsageError(f"the name of a file, {output}, must end in {SUFFIX}")
    else:
        parts = {output / f"{n:05d}{SUFFIX}": one for n, one in enumerate(_segments(store))}
        taken = sorted(output.glob(f"*{SUFFIX}"))  # whoever reads all would read those, too
        if foreign := [path for path in taken if not _FILE.fullmatch(path.name)]:
            raise UsageError(f"{output} has other files ({foreign[0].name}); choose another folder")
    if taken and not force:
        raise UsageError(f"{taken[0]} exists; choose another output, or replace it with --force")
    _make_folder(output.parent if output.suffix == SUFFIX else output)
    for path in taken:
        if path not in parts:
            path.unlink()
    for path, part in parts.items():
        collated = _collate(part, columns, features)
        with replacing(path) as temporary:
            torch.save(_as_pyg_saves(collated, part.num_molecules), temporary)
    return list(parts)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be made: {error.strerror}") from error


def _choose(store: Store, patterns: Sequence[str]) -> list[str]:
    names = [column.name for column in store.columns]
    for pattern in patterns:
        if names and not any(fnmatchcase(name, pattern) for name in names):
            raise DataError(
                f"'{pattern}' fits no column of {store.path.name}; it has {shorten(names)}."
            )
    return [name for name in names if any(fnmatchcase(name, one) for one in patterns)]


def _segments(store: Store) -> Iterator[Store]:
    """Yield each segment that has molecules as a store of its own."""
    record = store.record
    for segment in record.segments:
        if segment.molecules:
            counts = {name: getattr(segment, name) for name in ("molecules", "atoms", "bonds")}
            yield Store(store.path, record.model_copy(update={"segments": (segment,), **counts}))


def _collate(store: Store, columns: Sequence[str], features: FeaturesConfig | None) -> Collated:
    out = Collated()
    has_positions = store.record.plan.conformers is not None
    needs_positions = features is not None and features.reads_conformers
    block = store.graphs(positions=has_positions or needs_positions)
    meta = _add_graphs(out, block, features)
    if block.positions is not None:
        out.add("pos", block.positions, block.num_atoms)
    ones = np.ones(block.num_molecules, np.int64)
    out.add("smiles", store.smiles(), ones)
    out.add("source_row", store.source_rows(), ones)
    chosen = [column for column in store.columns if column.name in columns]
    for level in ATTRIBUTES:
        numbers = [one for one in chosen if one.level == level and one.kind == "number"]
        if numbers:
            names = [one.name for one in numbers]
            _add_labels(out, store, block, level, names)
            meta[ATTRIBUTES[level]] = names
            meta["units"] |= {one.name: one.unit for one in numbers if one.unit is not None}
    for column in chosen:
        if column.kind == "text":
            texts = [text or "" for text in store.text(column.name)]  # PyG drops what is None
            out.add(f"text_{column.name}", texts, ones)
    plan = store.record.plan
    out.data["meta"] = meta | {
        "table": plan.source,
        "hydrogens": plan.hydrogens,
        "versions": dict(plan.versions),
    }
    return out


def _add_graphs(out: Collated, block: MolBlock, features: FeaturesConfig | None) -> dict[str, Any]:
    """Add graphs and encodings; return the names of the columns."""
    ends = block.bond_ends.astype(np.int64)
    directed = 2 * block.num_bonds.astype(np.int64)
    more_atoms: dict[str, NDArray[np.float32]] = {}
    more_bonds: dict[str, NDArray[np.float32]] = {}
    x: NDArray[Any]
    bonds: NDArray[Any]
    if features is None:
        x = block.atom_table[block.atom_code].astype(np.int64)
        bonds = block.bond_table[block.bond_code].astype(np.int64)
        names = list(ATOM_PROPERTIES), list(BOND_PROPERTIES)
    else:
        packed = pack_block(block, features)
        x = packed.atom_table[packed.atom_code]
        bonds = packed.bond_table[packed.bond_code]
        more_atoms, more_bonds = packed.encodings, packed.bond_encodings
        names = _feature_columns(features)
    out.add("x", x, block.num_atoms)
    both = np.stack([ends.reshape(-1), ends[:, ::-1].reshape(-1)])
    out.add("edge_index", both, directed)
    out.add("edge_attr", bonds.repeat(2, axis=0), directed)
    for name, values in more_atoms.items():
        out.add(name, values, block.num_atoms)
    for name, values in more_bonds.items():
        out.add(f"edge_{name}", values.repeat(2, axis=0), directed)
    return {"x": names[0], "edge_attr": names[1], "units": {}}


def _feature_columns(features: FeaturesConfig) -> tuple[list[str], list[str]]:
    """Return the names of the columns of ``x`` and ``edge_attr``."""
    atoms = [f"{name}.{one}" for name in features.atoms for one in ATOM_FEATURES[name].columns]
    of_tables = [name for name in features.bonds if name not in CONFORMER_BOND_FEATURES]
    bonds = [f"{name}.{one}" for name in of_tables for one in BOND_FEATURES[name].columns]
    return atoms, bonds


def _add_labels(
    out: Collated, store: Store, block: MolBlock, level: Level, names: Sequence[str]
) -> None:
    table = store.labels(names)
    sizes = level_sizes(level, block.num_atoms, block.num_bonds)
    if level == "nodepair":  # an unlabelled molecule has no rows: there are n (n - 1) / 2 of them
        unlabelled = np.setdiff1d(np.arange(block.num_molecules), table.rows)
        sizes[unlabelled] = 0
        values = table.values
        number = np.arange(sizes.sum()) - np.repeat(offsets(sizes)[:-1], sizes)
        pairs = pair_ends(number, np.repeat(block.num_atoms, sizes))
        out.add("pair_index", pairs.T, sizes)
    else:
        values = np.full((sizes.sum(), len(names)), np.nan, np.float32)
        values[ragged_index(offsets(sizes)[table.rows], sizes[table.rows])] = table.values
    if level == "edge":
        values, sizes = values.repeat(2, axis=0), 2 * sizes
    out.add(ATTRIBUTES[level], values, sizes)


def _as_pyg_saves(
    collated: Collated, num_molecules: int
) -> tuple[dict[str, Any], dict[str, Tensor] | None]:
    if num_molecules == 1:  # PyG keeps a single molecule as it is
        alone = {name: v[0] if isinstance(v, list) else v for name, v in collated.data.items()}
        return alone, None
    return collated.data, collated.slices
