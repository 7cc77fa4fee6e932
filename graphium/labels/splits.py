"""Who trains, who validates, who is held out.

A dataset's own split comes first (``assign_parts``); then molecules of one split group that stand
in different parts, of one dataset or of several, all go to the most held-out one
(``reconcile``), so that nothing is learned about a molecule on which another task is tested.

Random and scaffold splits never look at the order of the table: molecules are ordered by a seeded
hash of what they are. Sorted tables once gave a test part without a single active molecule.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from graphium.config.data import PARTS as PARTS
from graphium.config.data import (
    ColumnSplitConfig,
    DatasetConfig,
    FileSplitConfig,
    FolderSplitConfig,
    RandomSplitConfig,
    ScaffoldSplitConfig,
    SplitConfig,
)
from graphium.config.suggest import did_you_mean
from graphium.errors import DataError
from graphium.labels.folders import Folder, open_folder, split_files
from graphium.labels.seeded_hash import seeded_hash
from graphium.labels.split_files import read_row_list, read_split_file

UNUSED = 255
"""Number of the part that is none."""

_NAMES = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
_NAMES_OF_FOLDERS = _NAMES | {"train_val": 0, "test-dev": 2, "test-challenge": 2}


@dataclass(frozen=True, slots=True)
class SplitMolecules:
    """The S molecules of one dataset, as far as splits need to know them."""

    dataset: str
    """Name, for messages."""
    num_rows: int
    """Rows of the table, those without a molecule included."""
    row: NDArray[np.int64]
    """[S] row (0-based) of each molecule, increasing."""
    group_hash: NDArray[np.uint64]
    """[S] hash of what the molecule is; equal for molecules that must stay together."""
    scaffold: NDArray[np.uint64] | None = None
    """[S] hash of the Bemis-Murcko scaffold, of the molecule itself where it has no ring; for
    scaffold splits only."""
    row_words: Callable[[int], str] = "row {}".format
    """Where a row of the table stands, for messages."""
    folder: Folder | None = None
    """The folder that the table is; for splits of this kind only."""
    file_rows: tuple[int, ...] = ()
    """Rows of each of its files, where there are several."""


def assign_parts(
    split: SplitConfig,
    molecules: SplitMolecules,
    cells: Callable[[str], Sequence[str | None]],
) -> NDArray[np.uint8]:
    """Return [S] part of each molecule by its dataset's own split; 255 where it has none.

    Args:
        split: How to divide.
        molecules: What to divide.
        cells: Reads a text column, one cell for each of the S molecules.

    Raises:
        DataError: A split file or column cannot be used; the message names file and row.
    """
    match split:
        case RandomSplitConfig():
            order = seeded_hash((split.seed,), molecules.group_hash)
            return _deal(molecules.group_hash, order, split.fractions, largest_first=False)
        case ScaffoldSplitConfig():
            groups = molecules.scaffold
            assert groups is not None, "scaffolds are computed when a split asks for them"
            order = seeded_hash((split.seed,), groups)
            return _deal(groups, order, split.fractions, largest_first=True)
        case ColumnSplitConfig():
            return _from_column(split, molecules, cells(split.column))
        case FileSplitConfig():
            return _from_file(split, molecules)
        case FolderSplitConfig():
            return _from_folder(split, molecules)
        case _:
            assert_never(split)


def reads_scaffolds(dataset: DatasetConfig) -> bool:
    """Return whether the split of a dataset has to know scaffolds."""
    match dataset.split:
        case ScaffoldSplitConfig():
            return True
        case FolderSplitConfig():
            return open_folder(Path(dataset.shown_table)).leaves_val_open
        case _:
            return False


def reconcile(part: NDArray[np.uint8], group: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return parts in which each group stands in one part only, its most held-out one.

    Args:
        part: [T] part of each molecule of all datasets; 255 stays 255.
        group: [T] number of the split group of each molecule.
    """
    used = part != UNUSED
    most = np.zeros(int(group.max(initial=-1)) + 1, np.uint8)
    np.maximum.at(most, group[used], part[used])
    return np.where(used, most[group], np.uint8(UNUSED))


def _deal(
    groups: NDArray[np.uint64],
    order: NDArray[np.uint64],
    fractions: tuple[float, float, float],
    *,
    largest_first: bool,
) -> NDArray[np.uint8]:
    """Line up whole groups and cut the line where the shares end.

    A group belongs to the part in which its middle molecule falls.
    """
    _, first, member, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    line = np.argsort(order[first], kind="stable")
    if largest_first:
        line = line[np.argsort(-sizes[line], kind="stable")]
    middle = np.empty(len(sizes))
    middle[line] = np.cumsum(sizes[line]) - sizes[line] / 2
    # A middle exactly on a bound goes to the later part, whatever rounding makes of the bound.
    bounds = np.cumsum(fractions[:2]) / np.sum(fractions) - 1e-9
    part = np.searchsorted(bounds, middle / max(len(groups), 1), side="right")
    return part.astype(np.uint8)[member]


def _from_column(
    split: ColumnSplitConfig, molecules: SplitMolecules, cells: Sequence[str | None]
) -> NDArray[np.uint8]:
    strings, code = np.unique([cell or "" for cell in cells], return_inverse=True)
    numbers = [
        _NAMES.get(text.strip().lower(), -1) if text else UNUSED for text in strings.tolist()
    ]
    named = np.array(numbers, np.int64)[code]
    if (named < 0).any():
        at = int(np.argmax(named < 0))
        raise DataError(
            f"dataset '{molecules.dataset}', column '{split.column}', "
            f"{molecules.row_words(int(molecules.row[at]))}: "
            f"'{cells[at]}' names no part; use train, val (or valid, validation) or test"
        )
    part = named.astype(np.uint8)
    if split.val_fraction and not (part == 1).any():
        _draw_val(part, molecules, molecules.group_hash, split, largest_first=False)
    return part


def _draw_val(
    part: NDArray[np.uint8],
    molecules: SplitMolecules,
    groups: NDArray[np.uint64],
    split: ColumnSplitConfig | FolderSplitConfig,
    *,
    largest_first: bool,
) -> None:
    """Make val of a share of train, in place: of whole groups without a copy that is held out."""
    held_out = np.isin(molecules.group_hash, molecules.group_hash[part == 2])
    train = np.flatnonzero((part == 0) & ~held_out)
    shares = (1 - split.val_fraction, split.val_fraction, 0.0)
    order = seeded_hash((split.seed,), groups[train])
    part[train] = _deal(groups[train], order, shares, largest_first=largest_first)


def _from_folder(split: FolderSplitConfig, molecules: SplitMolecules) -> NDArray[np.uint8]:
    folder = molecules.folder
    assert folder is not None, "the folder of such a split is found before"
    files = split_files(folder, split)
    if files:
        path = files.get("split_dict")
        lists = (
            read_split_file(path, None)
            if path is not None
            else {name: read_row_list(file) for name, file in files.items()}
        )
        return _from_lists(
            lists, lambda name: _part_in_folder(name, folder), folder.path, molecules
        )
    of_file = np.array([_NAMES_OF_FOLDERS[name] for name in folder.parts], np.uint8)
    part = np.repeat(of_file, molecules.file_rows)[molecules.row]
    if folder.leaves_val_open:
        scaffolds = molecules.scaffold
        assert scaffolds is not None, "scaffolds are computed when a split asks for them"
        _draw_val(part, molecules, scaffolds, split, largest_first=True)
    return part


def _part_in_folder(name: str, folder: Folder) -> int:
    if name not in _NAMES_OF_FOLDERS:
        raise DataError(f"the split of {folder.path} has a list '{name}', which names no part")
    return _NAMES_OF_FOLDERS[name]


def _from_file(split: FileSplitConfig, molecules: SplitMolecules) -> NDArray[np.uint8]:
    path = Path(split.file)
    lists = read_split_file(path, split.key)
    for name in split.lists:
        if name not in lists:
            raise DataError(
                f"split file {path} has no list '{name}', which split.lists names"
                f"{did_you_mean(name, list(lists))}; it has {', '.join(lists) or 'none'}"
            )
    return _from_lists(lists, lambda name: _part_of_list(split, name, path), path, molecules)


def _from_lists(
    lists: Mapping[str, NDArray[np.int64]],
    part_of: Callable[[str], int],
    path: Path,
    molecules: SplitMolecules,
) -> NDArray[np.uint8]:
    of_row = np.full(molecules.num_rows, UNUSED, np.uint8)
    listed = np.full(molecules.num_rows, -1, np.int64)
    for number, (name, rows) in enumerate(lists.items()):
        part = part_of(name)
        _check_rows(rows, f"split file {path}, {name}", molecules)
        _check_once(rows, listed, list(lists), number, path)
        listed[rows] = number
        of_row[rows] = part
    return of_row[molecules.row]


def _part_of_list(split: FileSplitConfig, name: str, path: Path) -> int:
    if name in split.lists:
        chosen = split.lists[name]
        return UNUSED if chosen == "unused" else PARTS.index(chosen)
    if name not in _NAMES:
        raise DataError(
            f"split file {path}: '{name}' names no part; use train, val and test, or say what it "
            f"is: split.lists.{name}=test (or train, val, unused)"
        )
    return _NAMES[name]


def _check_rows(rows: NDArray[np.int64], where: str, molecules: SplitMolecules) -> None:
    wrong = (rows < 0) | (rows >= molecules.num_rows)
    if wrong.any():
        raise DataError(
            f"{where}: row {rows[np.argmax(wrong)]} does not exist: dataset '{molecules.dataset}' "
            f"has rows 0 to {molecules.num_rows - 1}; is this the split of another table?"
        )


def _check_once(
    rows: NDArray[np.int64],
    listed: NDArray[np.int64],
    names: Sequence[str],
    number: int,
    path: Path,
) -> None:
    """Refuse a row that an earlier list has, or that this one has twice."""
    again = listed[rows] >= 0
    if again.any():
        row = int(rows[np.argmax(again)])
        first = names[listed[row]]
    else:
        numbers, counts = np.unique(rows, return_counts=True)
        if not (counts > 1).any():
            return
        row, first = int(numbers[np.argmax(counts > 1)]), names[number]
    raise DataError(
        f"split file {path}, {names[number]}: row {row} is listed twice, first in {first}"
    )
