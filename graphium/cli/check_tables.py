"""Do the tables of an experiment exist, and do they have the columns that it names?

Files are looked for, and the headers of csv and tsv tables and the names of an SDF are read: no
library is needed for that.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from graphium.config.data import (
    BUNDLED,
    ColumnSplitConfig,
    DatasetConfig,
    FileSplitConfig,
    FolderSplitConfig,
    SplitConfig,
)
from graphium.config.experiment import Experiment
from graphium.config.explain import mistake_at
from graphium.config.load import Loaded
from graphium.config.mistakes import Mistake
from graphium.config.suggest import did_you_mean
from graphium.config.unreadable import no_file
from graphium.config.yaml_nodes import Keys
from graphium.errors import DataError
from graphium.labels.files import TableName, find_files, is_pattern, shown_table
from graphium.labels.folders import describe_split, label_columns, open_folder, split_files
from graphium.labels.header import (
    DELIMITERS,
    PARQUET,
    SDF,
    SMI,
    SMI_COLUMNS,
    check_same_names,
    describe_repeated,
    read_header,
    shorten,
    smiles_candidates,
    table_format,
)
from graphium.labels.sdf import sdf_columns


def table_mistakes(loaded: Loaded) -> Iterator[Mistake]:
    """Yield what is wrong between an experiment and its tables, each with its place in the YAML."""
    experiment = loaded.experiment
    for name, dataset in experiment.datasets.items():
        for keys, message in _of_dataset(experiment, name, dataset):
            yield mistake_at(loaded.written, keys, message)


def repeated_lines(datasets: Mapping[str, DatasetConfig]) -> Iterator[str]:
    """Yield a line about each dataset whose csv has several columns of one name."""
    for name, dataset in datasets.items():
        files = [] if dataset.is_bundled else find_files(dataset.table)
        kind = table_format(files[0]) if files else ""
        repeated = read_header(files[0], DELIMITERS[kind]).repeated if kind in DELIMITERS else ()
        if repeated:
            yield f"dataset {name}: {describe_repeated(files[0].name, repeated)}"


def folder_lines(datasets: Mapping[str, DatasetConfig]) -> Iterator[str]:
    """Yield a line about each dataset whose table is a folder: its split, and its labels."""
    for name, dataset in datasets.items():
        if dataset.folder is None:
            continue
        labels = shorten(label_columns(_read_columns(dataset.table))) or "none"
        yield (
            f"dataset {name}: a folder, {_split_words(dataset.folder, dataset.split)}; columns "
            f"that may be labels: {labels}"
        )


def _split_words(folder: Path, split: SplitConfig) -> str:
    if not isinstance(split, FolderSplitConfig):
        return f"whose own split is not used (split.kind is {split.kind})"
    try:
        return f"divided as it says ({describe_split(open_folder(folder), split)})"
    except DataError as error:
        return f"whose own split cannot be used yet ({str(error).rstrip('.')})"


def _of_dataset(
    experiment: Experiment, name: str, dataset: DatasetConfig
) -> Iterator[tuple[Keys, str]]:
    """Yield (option, what is wrong with it)."""
    here = ("datasets", name)
    yield from _of_split(here, dataset)
    if reason := _why_unusable(dataset):
        yield (*here, "table"), reason
        return
    try:
        columns = () if dataset.is_bundled else _read_columns(dataset.table)
    except DataError as error:
        yield (*here, "table"), str(error).rstrip(".")
        return
    if not columns:
        return
    is_sdf = table_format(find_files(dataset.table)[0]) in SDF
    if dataset.smiles is None and not is_sdf and (reason := _why_no_smiles(columns)):
        yield (*here, "table"), reason
    for keys, column in _options(name, dataset):
        if column not in columns:
            yield keys, _no_column(column, columns)
    for keys, pattern in _labels(experiment, name, dataset):
        if pattern not in columns and not any(fnmatchcase(one, pattern) for one in columns):
            yield keys, _no_column(pattern, columns)


def _of_split(here: Keys, dataset: DatasetConfig) -> Iterator[tuple[Keys, str]]:
    """Yield what is wrong with the files of a split."""
    if isinstance(dataset.split, FileSplitConfig) and not Path(dataset.split.file).is_file():
        yield (*here, "split", "file"), no_file(Path(dataset.split.file))
    if isinstance(dataset.split, FolderSplitConfig) and Path(dataset.shown_table).exists():
        try:
            folder = open_folder(Path(dataset.shown_table))
        except DataError as error:
            if dataset.folder is None:  # else it is said of the table
                yield (*here, "split"), str(error).rstrip(".")
            return
        try:
            split_files(folder, dataset.split)
        except DataError as error:
            yield (*here, "split"), str(error).rstrip(".")


def _options(name: str, dataset: DatasetConfig) -> Iterator[tuple[Keys, str]]:
    """Yield (option, column) of the options of a dataset that name a column."""
    here = ("datasets", name)
    if dataset.smiles is not None:
        yield (*here, "smiles"), dataset.smiles
    if dataset.weights is not None:
        yield (*here, "weights"), dataset.weights
    yield from (((*here, "categories", column), column) for column in dataset.categories)
    yield from (((*here, "levels", column), column) for column in dataset.levels)
    if isinstance(dataset.split, ColumnSplitConfig):
        yield (*here, "split", "column"), dataset.split.column


def _labels(
    experiment: Experiment, name: str, dataset: DatasetConfig
) -> Iterator[tuple[Keys, str]]:
    """Yield (option, column or pattern) of the labels that a table must hold."""
    for task_name, task in experiment.tasks.items():
        for i, label in enumerate(task.labels):
            if task.dataset == name and not _may_be_computed(label, dataset):
                yield ("tasks", task_name, "labels", i), label


def _may_be_computed(label: str, dataset: DatasetConfig) -> bool:
    """Return whether a label can be one that RDKit computes, or a pattern of such."""
    is_pattern = any(sign in label for sign in "*?[")
    return any(
        label == computed or label.startswith(f"{computed}.") or is_pattern
        for computed in dataset.computed
    )


def _no_column(name: str, columns: Sequence[str]) -> str:
    meant = did_you_mean(name, columns)
    return f"the table has no column '{name}'{meant}; its columns are {shorten(columns)}"


def _why_unusable(dataset: DatasetConfig) -> str:
    if dataset.is_bundled:
        name = dataset.shown_table
        if name in BUNDLED:
            return ""
        meant = did_you_mean(name, BUNDLED)
        return f"there is no bundled table '{name}'{meant}; there are {', '.join(BUNDLED)}"
    names = [dataset.table] if isinstance(dataset.table, str) else dataset.table
    absent = [Path(one) for one in names if not is_pattern(one) and not Path(one).exists()]
    return no_file(absent[0]) if absent else ""


def _read_columns(table: TableName) -> tuple[str, ...]:
    """Return the columns of a table's files, which must agree; none where they are not read."""
    files = find_files(table)
    kind = table_format(files[0])
    if kind in SMI:
        return SMI_COLUMNS
    if kind in PARQUET:
        return ()
    first, *others = (_columns_of(file, kind) for file in files)
    if kind in SDF:  # a file may lack properties, as records may
        return tuple(dict.fromkeys((*first, *(name for columns in others for name in columns))))
    for file, columns in zip(files[1:], others, strict=True):
        check_same_names(shown_table(table), files[0], first, file, columns)
    return first


def _columns_of(file: Path, kind: str) -> tuple[str, ...]:
    if kind not in SDF:
        return read_header(file, DELIMITERS[kind]).columns
    try:
        return sdf_columns(file)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file} cannot be read: {error}.") from error


def _why_no_smiles(columns: Sequence[str]) -> str:
    found = smiles_candidates(columns)
    if len(found) == 1:
        return ""
    wrong = f"there are several SMILES columns ({', '.join(found)})"
    if not found:
        wrong = f"there is no SMILES column; the columns are {shorten(columns)}"
    return f"{wrong}; name it with the dataset's option `smiles`"
