"""Where a dataset's table comes from, and the digest of its content."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from graphium.config.data import BUNDLED, DatasetConfig
from graphium.config.suggest import did_you_mean
from graphium.errors import DataError
from graphium.graphs.properties import FEATURIZER_VERSION
from graphium.labels.files import has_several_files, short_names
from graphium.labels.header import shorten, table_format
from graphium.labels.table import Table, open_table, table_from_arrow
from graphium.store.files import json_sha256
from graphium.store.records import FileRecord
from graphium.store.unchanged import digest_table


@dataclass(frozen=True, slots=True)
class Source:
    """A table that exists."""

    name: str
    """File name without folders, or the name of the bundled table."""
    stem: str
    """The name's beginning, fit for a folder's name."""
    sha256: str
    """Digest of its content: of the file's bytes, or of the digests of all files in order."""
    kind: str
    """Format: the same bytes mean something else in another."""
    open: Callable[[], Table]
    """Start reading."""
    files: tuple[str, ...] = ()
    """Of a pattern or a list: its files without folders, in the order of their rows."""
    paths: tuple[Path, ...] = ()
    """Each file that is read; none of a bundled table."""
    digests: tuple[FileRecord, ...] = ()
    """Size and SHA-256 of each of these."""


def find_source(dataset: DatasetConfig) -> Source:
    """Resolve the dataset's table.

    Raises:
        DataError: If there is no such file or bundled table.
    """
    if dataset.is_bundled:
        return _bundled(dataset.shown_table)
    table, digests = digest_table(open_table(dataset.table))
    files = tuple(Path(shard.name) for shard in table.shards)
    kind, digest = table_format(files[0]), joint_sha256(digests)
    if not has_several_files(dataset.table):
        (path,), (one,) = files, digests
        name, stem = _name_of(dataset, path), _stem(_name_of(dataset, path))
        return Source(name, stem, one.sha256, kind, lambda: table, (), files, digests)
    names = tuple(short_names(files))
    if isinstance(dataset.table, str):
        name = _name_of(dataset, Path(dataset.table))
        stem = _stem(name, files[0].parent.name)
    else:
        name, stem = shorten(names, 3), _stem(files[0].name)
    return Source(name, stem, digest, kind, lambda: table, names, files, digests)


def _name_of(dataset: DatasetConfig, path: Path) -> str:
    """Return the name of a file or pattern without folders; of a folder, its own."""
    return path.name if dataset.folder is None else dataset.folder.resolve().name


def joint_sha256(digests: Sequence[FileRecord]) -> str:
    """Return the digest of a table of several files, or of one that a pattern matches."""
    return json_sha256([one.sha256 for one in digests])


def content_options(dataset: DatasetConfig, kind: str) -> dict[str, Any]:
    """Return the format of a table and the options of its dataset that decide the content."""
    options: dict[str, Any] = {
        "read_as": kind,
        "smiles": dataset.smiles,
        "levels": dataset.levels,
        "hydrogens": dataset.hydrogens,
        "atom_order": dataset.atom_order,
        "computed": dataset.computed,
    }
    if dataset.fingerprint is not None:
        options["fingerprint"] = dataset.fingerprint.model_dump(mode="json")
    if dataset.conformers is not None:
        options["conformers"] = dataset.conformers.model_dump(mode="json")
    return options


def content_versions() -> dict[str, str]:
    """Return the versions that decide what a store holds."""
    return {"featurizer": str(FEATURIZER_VERSION), "rdkit": version("rdkit")}


def _stem(*names: str) -> str:
    """Return the beginning of the first name that has one fit for a folder's name."""
    stems = (re.sub(r"[^A-Za-z0-9_-]+", "-", name.split(".")[0]) for name in names)
    return next((stem for one in stems if (stem := one.strip("-"))), "table")


def _bundled(table: str) -> Source:
    if table not in BUNDLED:
        raise DataError(
            f"There is no bundled table '{table}'{did_you_mean(table, list(BUNDLED))}; "
            f"there are {', '.join(BUNDLED)}."
        )
    package, name = BUNDLED[table]
    try:
        release = version(package)
    except PackageNotFoundError as error:
        raise DataError(f"{table} ships inside {package}, which is not installed.") from error

    def read() -> Table:
        import pyarrow as pa

        from graphium.molecules.bundled import load_bundled

        return table_from_arrow(
            table, pa.Table.from_pandas(load_bundled(name), preserve_index=False)
        )

    # The tables of one release never change, so its version stands for their bytes, and
    # a prepared store is found without importing it.
    return Source(table, name, json_sha256({"table": table, package: release}), package, read)
