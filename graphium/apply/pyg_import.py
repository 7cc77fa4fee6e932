"""From PyTorch Geometric to a table that ``graphium data prepare`` reads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray
from torch import Tensor

from graphium.apply.outputs import replacing
from graphium.apply.pyg_export import ATTRIBUTES
from graphium.apply.pyg_graph import Written, write_molecule
from graphium.config.data import Hydrogens, Level
from graphium.errors import DataError, UsageError

if TYPE_CHECKING:
    from torch_geometric.data import Data

_ROWS = 10_000
"""Molecules that are written at once."""
_TEXT = "text_"
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Labels:
    """Labels that one attribute holds."""

    attribute: str
    level: Level
    columns: tuple[str, ...]


def table_from_pyg(
    molecules: "Sequence[Data]",
    output: Path,
    *,
    levels: Mapping[str, Level] | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
    hydrogens: Hydrogens = "implicit",
    drop_stereo: bool = False,
) -> None:
    """Write a parquet table with ``smiles`` and the labels of ``Data`` objects.

    The SMILES is the attribute ``smiles``. Where there is none, it is made of ``x``, ``edge_index``
    and ``edge_attr`` if these are those of PyG's ``from_smiles``. Where atoms, bonds or pairs have
    labels, ``edge_index`` must hold the bonds of the SMILES, its atoms in order; that is checked,
    and atomic numbers where they are told.
    A label of a bond must be equal in both directions. NaN becomes an empty cell, and so do labels
    that a molecule does not have while another one has.

    Args:
        molecules: A list or an ``InMemoryDataset``.
        output: A parquet file.
        levels: Attributes with labels, and what they describe. By default those of ``y``,
            ``y_node``, ``y_edge`` and ``y_nodepair`` that are there; ``y`` describes atoms if it
            has a row for each atom of every molecule.
        columns: Attribute -> names of its columns, in order (``meta`` of an exported file has
            them); by default ``<attribute>``, or ``<attribute>_0``, ``<attribute>_1``, ...
        hydrogens: Which hydrogens are atoms of the graphs, as the dataset's option says it.
        drop_stereo: Of molecules without ``smiles``: write those with marks of stereo, whose
            meaning a graph does not tell, without them, rather than refuse them.

    Raises:
        DataError: Names the molecules that cannot be written, and why.
        UsageError: The output exists or is no parquet file.
    """
    if output.suffix != ".parquet":
        raise UsageError(f"the name of the output, {output}, must end in .parquet")
    if output.exists():
        raise UsageError(f"{output} exists; choose another output")
    if not output.parent.is_dir():
        raise UsageError(f"there is no folder {output.parent} for {output.name}")
    if not len(molecules):
        raise DataError("There are no molecules in the list.")
    first_with = _first_with(molecules)
    labels = _find_labels(molecules, first_with, levels, columns or {})
    texts = sorted(key for key in first_with if key.startswith(_TEXT))
    names = [*(name for one in labels for name in one.columns), *(t[len(_TEXT) :] for t in texts)]
    repeated = sorted({name for name in names if names.count(name) > 1 or name == "smiles"})
    if repeated:
        raise DataError(f"Two columns would be called '{repeated[0]}'; give other `columns`.")
    needs_graph = any(one.level != "graph" for one in labels)
    with replacing(output) as temporary:
        writer = None
        try:
            for first in range(0, len(molecules), _ROWS):
                part = [molecules[row] for row in range(first, min(first + _ROWS, len(molecules)))]
                written = _write_molecules(part, first, hydrogens, needs_graph, drop_stereo)
                table = _rows(part, first, written, labels, texts)
                if writer is None:
                    writer = pa.parquet.ParquetWriter(temporary, table.schema)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()


def _write_molecules(
    molecules: "Sequence[Data]", first: int, hydrogens: Hydrogens, check: bool, drop_stereo: bool
) -> list[Written]:
    out, wrong = [], []
    for row, data in enumerate(molecules, start=first):
        found = write_molecule(data, hydrogens, check=check, drop_stereo=drop_stereo)
        if isinstance(found, str):
            wrong.append(f"molecule {row}: {found}")
        else:
            out.append(found)
    if wrong:
        more = f"\n  ... and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise DataError(
            f"{len(wrong)} of molecules {first} to {first + len(molecules) - 1} cannot be written:"
            + "".join(f"\n  {one}" for one in wrong[:_SHOWN])
            + more
        )
    return out


def _first_with(molecules: "Sequence[Data]") -> dict[str, int]:
    """Return attribute -> the first molecule that has it."""
    found: dict[str, int] = {}
    for row in range(len(molecules)):
        for key, value in molecules[row].to_dict().items():
            if value is not None:
                found.setdefault(key, row)
    return found


def _find_labels(
    molecules: "Sequence[Data]",
    first_with: Mapping[str, int],
    levels: Mapping[str, Level] | None,
    columns: Mapping[str, Sequence[str]],
) -> list[_Labels]:
    if levels is None:
        levels = {
            attribute: _guess_level(molecules) if attribute == "y" else level
            for level, attribute in ATTRIBUTES.items()
            if attribute in first_with
        }
    for attribute in columns:
        if attribute not in levels:
            known = ", ".join(levels) or "none"
            raise DataError(
                f"`columns` names columns of '{attribute}', whose labels are not written; written "
                f"are those of {known}. Name it in `levels`."
            )
    out = []
    for attribute, level in levels.items():
        if level not in ATTRIBUTES:
            raise DataError(
                f"`levels` says that '{attribute}' describes '{level}'; what labels describe is "
                f"one of {', '.join(ATTRIBUTES)}."
            )
        if attribute not in first_with:
            raise DataError(f"No molecule has '{attribute}', which `levels` names.")
        example = molecules[first_with[attribute]][attribute]
        width = _matrix(example, level).shape[1]
        usual = [attribute] if width == 1 else [f"{attribute}_{k}" for k in range(width)]
        names = tuple(columns.get(attribute, usual))
        if len(names) != width:
            raise DataError(
                f"'{attribute}' has {width} columns, `columns` names {len(names)} of them."
            )
        out.append(_Labels(attribute, level, names))
    return out


def _guess_level(molecules: "Sequence[Data]") -> Level:
    labelled = [data for data in molecules if data.y is not None]
    shapes = [_values(data.y).shape for data in labelled]
    sizes = [int(data.num_nodes) for data in labelled]
    of_atoms = all(shape[:1] == (n,) for shape, n in zip(shapes, sizes, strict=True))
    of_molecules = len({_as_matrix_shape(shape) for shape in shapes}) == 1
    if of_atoms == of_molecules:
        why = "fits both" if of_atoms else "fits neither"
        raise DataError(
            f"`y` may describe molecules or their atoms, and its shape {why} (the first molecule "
            f"that has one has {sizes[0]} atoms and a y of shape {list(shapes[0])}): say "
            "`levels={'y': 'graph'}` or `levels={'y': 'node'}`."
        )
    return "node" if of_atoms else "graph"


def _as_matrix_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if len(shape) == 2 and shape[0] == 1 else (-1, *shape)


def _values(values: object) -> NDArray[np.generic]:
    """Return a tensor, an array, a list or a number as an array; numbers in float64."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().double().numpy()
    array = np.asarray(values)
    return array.astype(np.float64) if array.dtype.kind in "iubf" else array


def _matrix(values: object, level: Level) -> NDArray[np.float64]:
    """Return [places, L] labels of a molecule: one row at the level of molecules."""
    found = _values(values)
    if found.dtype.kind != "f":
        raise DataError(f"{str(values)[:40]!r} is given as labels; these are numbers.")
    array = found.astype(np.float64, copy=False)
    if level == "graph":
        return array.reshape(1, -1)
    return array[:, None] if array.ndim == 1 else array


def _rows(
    molecules: "Sequence[Data]",
    first: int,
    written: Sequence[Written],
    labels: Sequence[_Labels],
    texts: Sequence[str],
) -> pa.Table:
    cells: dict[str, pa.Array] = {"smiles": pa.array([one.smiles for one in written], pa.string())}
    for one in labels:
        matrices = [
            _arranged(data, one, row, graph)
            for row, (data, graph) in enumerate(zip(molecules, written, strict=True), start=first)
        ]
        for position, name in enumerate(one.columns):
            cells[name] = _column([matrix[:, position] for matrix in matrices], one.level)
    for text in texts:
        strings = [data.get(text) or None for data in molecules]
        cells[text[len(_TEXT) :]] = pa.array(strings, pa.string())
    return pa.table(cells)


def _arranged(data: "Data", labels: _Labels, row: int, graph: Written) -> NDArray[np.float64]:
    """Return the labels of one molecule in the order of its text; none where there are none."""
    if labels.attribute not in data or data[labels.attribute] is None:
        return np.full((int(labels.level == "graph"), len(labels.columns)), np.nan)
    matrix = _matrix(data[labels.attribute], labels.level)
    if labels.level == "graph":
        fits = matrix.shape == (1, len(labels.columns))
    else:
        if not len(matrix):
            return np.zeros((0, len(labels.columns)))
        fits = matrix.shape == (graph.size(labels.level), len(labels.columns))
    if not fits:
        raise DataError(
            f"Molecule {row}: '{labels.attribute}' has shape {list(matrix.shape)}, "
            f"which does not fit {graph.size(labels.level)} x {len(labels.columns)} labels of "
            f"level {labels.level}."
        )
    found = graph.arrange(labels.level, matrix)
    if isinstance(found, str):
        raise DataError(f"Molecule {row}: '{labels.attribute}' {found}.")
    return found


def _column(values: Sequence[NDArray[np.float64]], level: Level) -> pa.Array:
    if level == "graph":
        return pa.array(np.concatenate(values), from_pandas=True)
    return pa.array([_list(one) for one in values], pa.list_(pa.float64()))


def _list(values: NDArray[np.float64]) -> list[float | None] | None:
    known = [None if np.isnan(value) else float(value) for value in values]
    return known if any(value is not None for value in known) else None


def read_pyg(path: Path) -> Iterator["Data"]:
    """Yield the molecules of a file that ``export_pyg`` wrote.

    Args:
        path: The file.
    """
    from torch_geometric.data import InMemoryDataset  # takes seconds to import

    dataset = InMemoryDataset()
    dataset.load(str(path))
    yield from dataset
