"""Folders in the layouts of TDC and OGB: which files are the table, and which are the split.

* A dataset of a TDC benchmark group: ``train_val.csv`` and ``test.csv``, or ``train.csv``,
  ``valid.csv`` and ``test.csv``, with the columns Drug_ID, Drug and one or more of labels.
* A dataset of molecules of OGB: ``mapping/mol.csv.gz`` with SMILES and labels, and row numbers in
  ``split/NAME/train.csv.gz``, ``valid.csv.gz`` and ``test.csv.gz``.
* PCQM4Mv2: ``raw/data.csv.gz``, and a split file of torch (``split_dict.pt``) that has to be
  converted once.

Only the standard library reads here, so that ``graphium check`` answers at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graphium.config.data import FolderSplitConfig
from graphium.config.suggest import did_you_mean
from graphium.errors import DataError
from graphium.labels.header import (
    DELIMITERS,
    is_table_name,
    shorten,
    smiles_candidates,
    table_format,
)

LAYOUTS = (
    "TDC (train_val.csv and test.csv, or train.csv, valid.csv and test.csv), OGB "
    "(mapping/mol.csv.gz and split/NAME/train.csv.gz, valid.csv.gz, test.csv.gz) and PCQM4Mv2 "
    "(raw/data.csv.gz and split_dict.pt)"
)
"""Words for what a folder may hold."""

_WAYS = (("train_val", "test"), ("train", "valid", "test"), ("train", "val", "test"))
"""Names of the files of a folder of TDC, in the order of their rows."""
_TDC_NAMES = ("train_val", "train", "valid", "val", "test")
_OGB_TABLE = "mapping/mol.csv.gz"
_PCQM_TABLE = "raw/data.csv.gz"
_IDS = ("drug_id", "id", "mol_id", "idx")
"""Columns of these layouts that number molecules, in lower case."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder whose layout is known."""

    path: Path
    layout: Literal["TDC", "OGB", "PCQM4Mv2"]
    files: tuple[Path, ...]
    """The table, in the order of its rows."""

    @property
    def parts(self) -> tuple[str, ...]:
        """What the rows of each file are: train_val, train, val (or valid) and test, of TDC."""
        return tuple(_stem(file) for file in self.files) if self.layout == "TDC" else ()

    @property
    def leaves_val_open(self) -> bool:
        """Whether its split says who is tested, but not who trains and who validates."""
        return "train_val" in self.parts


def open_folder(path: Path) -> Folder:
    """Find out what a folder holds.

    Raises:
        DataError: If it is no folder, has no layout that is known, or lacks a file of it.
    """
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}: a split of kind folder is that of a folder.")
    if (path / _OGB_TABLE).is_file():
        return Folder(path, "OGB", (path / _OGB_TABLE,))
    if (path / _PCQM_TABLE).is_file():
        return Folder(path, "PCQM4Mv2", (path / _PCQM_TABLE,))
    if named := _tdc_files(path):
        return _open_tdc(path, named)
    raise DataError(f"{path} is a folder{_why_unknown(path)}. Known layouts are {LAYOUTS}.")


def split_files(folder: Folder, split: FolderSplitConfig) -> dict[str, Path]:
    """Return the files that list rows, by part; of PCQM4Mv2 one, named ``split_dict``.

    A folder of TDC has none: its files are the parts.

    Raises:
        DataError: If a file is absent, or which of several splits is meant is not said.
    """
    if folder.layout == "TDC":
        _refuse_name(folder, split)
        return {}
    if folder.layout == "PCQM4Mv2":
        _refuse_name(folder, split)
        return {"split_dict": _converted(folder.path / "split_dict.pt")}
    inside = folder.path / "split"
    names = sorted(one.name for one in inside.iterdir() if one.is_dir()) if inside.is_dir() else []
    if not names:
        raise DataError(
            f"{folder.path} has no split: there is no {inside}/NAME/train.csv.gz; choose another "
            "one (split: {kind: scaffold})."
        )
    if split.name is None and len(names) > 1:
        raise DataError(
            f"{folder.path} has several splits ({', '.join(names)}); choose one with split.name."
        )
    name = names[0] if split.name is None else split.name
    if name not in names:
        raise DataError(
            f"{folder.path} has no split '{name}'{did_you_mean(name, names)}; it has "
            f"{', '.join(names)}."
        )
    files = {part: inside / name / f"{part}.csv.gz" for part in ("train", "valid", "test")}
    absent = [str(file) for file in files.values() if not file.is_file()]
    if len(absent) == len(files) and (inside / name / "split_dict.pt").exists():
        return {"split_dict": _converted(inside / name / "split_dict.pt")}
    if absent:
        raise DataError(f"The split '{name}' of {folder.path} lacks {', '.join(absent)}.")
    return files


def describe_split(folder: Folder, split: FolderSplitConfig) -> str:
    """Return words for the split of a folder.

    Raises:
        DataError: If the split cannot be found.
    """
    if folder.layout != "TDC":
        lists = split_files(folder, split).values()
        shown = ", ".join(str(file.relative_to(folder.path)) for file in lists)
        return f"{folder.layout}: {shown}"
    *names, last = (file.name for file in folder.files)
    if not folder.leaves_val_open:
        return f"TDC: {', '.join(names)}, {last}"
    return (
        f"TDC: {last} is test, {split.val_fraction:.4g} of {', '.join(names)} by scaffold is val, "
        f"seed {split.seed}"
    )


def pattern_of(folder: Path) -> str:
    """Suggest the pattern of the tables in a folder, where there are some of one kind."""
    inside = sorted(one.name for one in folder.iterdir() if is_table_name(one))
    ends = sorted({name[name.index(".", 1) :] for name in inside})
    if len(ends) == 1:
        return f"; for all that it holds, write the pattern {folder / f'*{ends[0]}'}"
    return f"; name one of its files: {', '.join(inside[:4])}" if inside else ""


def label_columns(columns: Sequence[str]) -> list[str]:
    """Return the columns of a folder's table that are neither SMILES nor numbers of molecules."""
    smiles = smiles_candidates(columns)
    return [one for one in columns if one not in smiles and one.lower() not in _IDS]


def _stem(file: Path) -> str:
    return file.name.split(".")[0]


def _tdc_files(path: Path) -> dict[str, list[Path]]:
    """Return the tables that have a name of TDC's, by this name."""
    found: dict[str, list[Path]] = {}
    for file in sorted(path.iterdir()):
        if _stem(file) in _TDC_NAMES and table_format(file) in DELIMITERS and file.is_file():
            found.setdefault(_stem(file), []).append(file)
    return found


def _open_tdc(path: Path, named: dict[str, list[Path]]) -> Folder:
    for files in named.values():
        if len(files) > 1:
            raise DataError(f"{path} has {files[0].name} and {files[1].name}: remove one of them.")
    for way in _WAYS:
        if set(way) == set(named):
            return Folder(path, "TDC", tuple(named[name][0] for name in way))
    found = [files[0].name for files in named.values()]
    way = _WAYS[0] if "train_val" in named else _WAYS[1]
    ending = found[0].removeprefix(next(iter(named)))
    lacks = [f"{name}{ending}" for name in way if name not in named]
    extra = [files[0].name for name, files in named.items() if name not in way]
    problem = f"lacks {' and '.join(lacks)}" if lacks else f"has {' and '.join(extra)} as well"
    raise DataError(
        f"{path} looks like a folder of TDC, as it has {', '.join(found)}, but it {problem}. Known "
        f"layouts are {LAYOUTS}; to read some of its files without their split, list them "
        "(table: [a.csv, b.csv])."
    )


def _converted(file: Path) -> Path:
    """Return what a split file of torch was converted to."""
    parquet = file.with_suffix(".parquet")
    if parquet.is_file():
        return parquet
    if file.is_file():
        raise DataError(
            f"{file} is a file of torch, which may hold code; convert it once: graphium data "
            f"convert-splits {file}"
        )
    raise DataError(f"There is no {file}, nor {parquet.name} beside it; choose another split.")


def _refuse_name(folder: Folder, split: FolderSplitConfig) -> None:
    if split.name is not None:
        raise DataError(
            f"{folder.path} is a folder of {folder.layout}, which has one split; leave out "
            f"split.name, got '{split.name}'."
        )


def _why_unknown(path: Path) -> str:
    """Say what is near: datasets one folder deeper, or a file that is not there."""
    inside = sorted(one for one in path.iterdir() if one.is_dir())
    if any(one.name in ("mapping", "split") for one in inside):
        return f", not a table; it looks like one of OGB, but lacks {path / _OGB_TABLE}"
    if (path / "split_dict.pt").exists():
        return f", not a table; it looks like PCQM4Mv2, but lacks {path / _PCQM_TABLE}"
    datasets = [one.name for one in inside if _is_known(one)]
    if datasets:
        return f" of several datasets ({shorten(datasets, 6)}); name one: {path / datasets[0]}"
    return f", not a table{pattern_of(path)}"


def _is_known(path: Path) -> bool:
    return bool(_tdc_files(path)) or (path / _OGB_TABLE).is_file()
