"""Which files a table is: one, all that match a pattern in their natural order, or those of a list.

Only the standard library reads here, so that ``graphium check`` answers at once.
"""

import re
from collections import Counter
from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from graphium.config.suggest import did_you_mean
from graphium.errors import DataError
from graphium.labels.folders import open_folder, pattern_of
from graphium.labels.header import is_table_name, known_formats, shorten, table_format

TableName = str | Path | Sequence[str]
"""A file or pattern, or a list of such."""

_NUMBER = re.compile(r"([0-9]+)")


def find_files(table: TableName) -> list[Path]:
    """Return the files of a table, in the order of their rows.

    A folder stands for the tables of its layout (``folders.py``). A pattern (``part-*.csv``,
    ``**`` for folders of any depth) stands for all files it matches, and ``part-2`` comes before
    ``part-10``. A file that exists is itself, whatever signs its name has. A list has files and
    patterns in the order of their rows.

    Raises:
        DataError: If there is none, one is empty, is no file or is of a format that is not read, or
            if a list names one twice.
    """
    if folder := _folder(table):
        files = list(open_folder(folder).files)
    elif isinstance(table, str | Path):
        files = _match(table)
    else:
        files = [file for one in table for file in _match(one)]
        twice = [file for file, count in Counter(map(Path.resolve, files)).items() if count > 1]
        if twice:
            raise DataError(
                f"The list of tables names {shorten([str(file) for file in twice], 4)} more than "
                "once; its rows would be there twice."
            )
    for one in files:
        _check(one)
    formats = {table_format(one): str(one) for one in reversed(files)}
    if len(formats) > 1:
        shown = ", ".join(sorted(formats.values()))
        is_list = not isinstance(table, str | Path)
        what = "The list of tables names" if is_list else f"The pattern {table} matches"
        remedy = "Convert some, or make them datasets of their own" if is_list else "Narrow it"
        raise DataError(
            f"{what} files of several formats ({shown}); the files of one table must have one. "
            f"{remedy}."
        )
    return files


def _match(table: str | Path) -> list[Path]:
    """Return the file, or all that match a pattern in their natural order."""
    path = Path(table)
    if not is_pattern(table):
        _check(path)
        return [path]
    found = [Path(name) for name in glob(str(table), recursive=True)]
    files = sorted((one for one in found if not one.is_dir()), key=_natural)
    if not files:
        folders = f"; it matches {len(found)} folders" if found else _nearest(path)
        raise DataError(f"No file matches the pattern {table}{folders}.")
    return files


def is_pattern(table: str | Path) -> bool:
    """Return whether a name stands for all files that match it."""
    return has_magic(str(table)) and not Path(table).is_file()


def has_several_files(table: TableName) -> bool:
    """Return whether a table is a pattern or a list, though it may have one file only."""
    if folder := _folder(table):
        return len(open_folder(folder).files) > 1
    return not isinstance(table, str | Path) or is_pattern(table)


def shown_table(table: TableName) -> str:
    """Return a table's name for messages."""
    return str(table) if isinstance(table, str | Path) else f"the list {shorten(table, 4)}"


def short_names(files: Sequence[Path]) -> list[str]:
    """Return names without folders; with the innermost one where several files have one name."""
    times = Counter(file.name for file in files)
    return [
        file.name if times[file.name] == 1 else f"{file.parent.name}/{file.name}" for file in files
    ]


def _folder(table: TableName) -> Path | None:
    is_folder = isinstance(table, str | Path) and Path(table).is_dir()
    return Path(str(table)) if is_folder else None


def _check(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a table{pattern_of(path)}.")
    if not path.is_file():
        raise DataError(f"There is no table {path}{_similar_file(path)}.")
    if not is_table_name(path):
        raise DataError(
            f"{path} is not a table that graphium reads; its name must end in {known_formats()}."
        )
    if path.stat().st_size == 0:
        raise DataError(f"The table {path} is an empty file.")


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Order numbers inside names by their value."""
    pieces = _NUMBER.split(str(path))
    return [int(one) if one.isdecimal() else one for one in pieces], str(path)


def _nearest(pattern: Path) -> str:
    """Say from which folder on nothing is there, or what the folder holds."""
    folder = pattern.parent
    if has_magic(str(folder)):
        return ""
    if not folder.is_dir():
        return f" (there is no folder {folder})"
    inside = sorted(one.name for one in folder.iterdir() if is_table_name(one))
    held = f"its tables are {', '.join(inside[:4])}" if inside else "it holds no table"
    return f" in {folder} ({held}{', ...' * (len(inside) > 4)})"


def _similar_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (there is no folder {path.parent} either)"
    return did_you_mean(path.name, (entry.name for entry in path.parent.iterdir()))
