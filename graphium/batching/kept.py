"""Opened mixes kept on disk: the next run opens the same one in a moment, or maps it into memory.

A copy is named by all it follows from: the content and the names of the stores, split files, the
experiment's sections, and this package's own code and libraries. It only ever saves time: one that
is damaged is made again, and one that cannot be written is done without. Copies that were not used
for longest are removed when all are larger than a limit.
"""

import importlib.metadata
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import graphium
from graphium.batching.columns import Dataset
from graphium.batching.duplicates import Contradictions
from graphium.batching.mix_data import Mix, SourceRows, smiles_reader
from graphium.batching.pack import PackedGraphs
from graphium.batching.report import MixReport
from graphium.batching.stored_encodings import KeptEncodings
from graphium.batching.task_data import TaskData
from graphium.config.data import DatasetConfig
from graphium.config.experiment import Experiment
from graphium.config.tasks import TaskSpec
from graphium.errors import StoreError
from graphium.labels.folders import open_folder, split_files
from graphium.store.disk_errors import describe
from graphium.store.files import (
    canonical_json,
    file_sha256,
    json_sha256,
    sync_folder,
    sync_tree,
    write_atomic,
)
from graphium.store.layout import MANIFEST, TEMPORARY
from graphium.store.manifest import read_signed_json, sign
from graphium.store.owner import own_name, remove_dead_writers

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

FORMAT = "graphium-opened-mix"
FORMAT_VERSION = 1
FOLDER = "opened"
"""Folder of all copies, beside that of the stores."""
WORTH_MOLECULES = 10_000
"""Molecules of a mix whose encodings were computed ahead, from which on it is kept unasked."""
MOST_BYTES = 16 * 2**30
"""What all copies may take; the one in use is never removed."""

_CODE = ("batching", "config", "graphs", "labels", "store")
"""Folders of the package whose code an opened mix follows from."""
_NUMBERS = ("numpy",)
"""Libraries that it follows from."""


def kept_path(
    root: Path,
    experiment: Experiment,
    datasets: Sequence[Dataset],
    specs: Sequence[TaskSpec] | None,
    encodings: Sequence[KeptEncodings] = (),
) -> Path:
    """Return where the copy of an opened mix is or will be.

    Args:
        root: Folder of all stores.
        experiment: What is opened.
        datasets: Its opened stores.
        specs: Tasks of a trained model, if their statistics are kept.
        encodings: What the stores keep of the encodings asked for.
    """
    key = {
        "version": FORMAT_VERSION,
        "code": _code_sha256(),
        "libraries": {name: importlib.metadata.version(name) for name in _NUMBERS},
        # Arrays do not say what their columns are called: the key does, by the bytes of the table.
        "stores": [(one.store.record.plan.key, one.store.record.content) for one in datasets],
        "encodings": [one.content() for one in encodings],
        "split_files": [_digest_split(one.config) for one in datasets],
        "experiment": experiment.model_dump_json(  # as text, which keeps the order of tasks
            include={"datasets", "tasks", "features", "keys", "hydrogens"}
        ),
        "specs": None if specs is None else [one.model_dump(mode="json") for one in specs],
    }
    return root / FOLDER / json_sha256(key)[:16]


def is_worth_keeping(mix: Mix) -> bool:
    """Whether making a mix anew would take longer than a person likes to wait."""
    return mix.graphs.num_molecules >= WORTH_MOLECULES and bool(mix.graphs.encodings)


def keep(folder: Path, mix: Mix) -> None:
    """Write a copy; of two writers the first one wins.

    Raises:
        StoreError: It cannot be written.
    """
    try:
        _write(folder, mix)
    except OSError as error:
        raise StoreError(
            f"The opened mix cannot be written below {folder.parent}: "
            f"{describe(error, folder.parent)}. Choose another folder ($GRAPHIUM_CACHE_DIR), or "
            "hold it in memory (`batch.held_in: ram`)."
        ) from error


def keep_if_possible(folder: Path, mix: Mix) -> None:
    """Write a copy, which nobody has asked for; where it cannot be written, only say so."""
    try:
        _write(folder, mix)
    except OSError as error:
        _LOG.warning(
            "The opened mix is not kept for the next run: %s", describe(error, folder.parent)
        )


def _write(folder: Path, mix: Mix) -> None:
    parent = folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    remove_dead_writers(parent)
    with own_name(parent) as writer:
        temporary = parent / f"{TEMPORARY}{writer}-{folder.name}"
        temporary.mkdir()
        for name, array in _arrays(mix).items():
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)
        content = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "hydrogens": mix.hydrogens,
            "report": mix.report.model_dump(mode="json"),
            "specs": [one.model_dump(mode="json") for one in mix.specs],
            "sources": list(mix.sources),
            "contradictions": list(mix.contradictions),
            "encodings": list(mix.graphs.encodings),
            "bond_encodings": list(mix.graphs.bond_encodings),
            "files": sync_tree(temporary),
        }
        write_atomic(temporary / MANIFEST, canonical_json(sign(content)), writer)
        try:
            os.rename(temporary, folder)
        except OSError:
            if not (folder / MANIFEST).is_file():
                raise
        sync_folder(parent)
    with suppress(FileNotFoundError):  # another process removes some, too
        _remove_oldest(parent, folder)


def read_kept(folder: Path, datasets: Sequence[Dataset], *, mapped: bool) -> Mix | None:
    """Read a copy, or return None where there is none that is whole.

    Args:
        folder: Where it is.
        datasets: The opened stores it was made of.
        mapped: Leave the arrays on disk, where all processes of a machine share them.
    """
    if not (folder / MANIFEST).is_file():
        return None
    try:
        manifest = read_signed_json(folder / MANIFEST, FORMAT, FORMAT_VERSION)
        for name, (size, digest) in manifest["files"].items():
            _check(folder / name, size, digest)
        arrays = {name[:-4]: _load(folder / name, mapped) for name in manifest["files"]}
        mix = _assemble(manifest, arrays, datasets)
        with suppress(PermissionError):  # a copy of another user
            os.utime(folder / MANIFEST)
    # Behind the first two, what a manifest that is signed and yet not ours leads to.
    except (StoreError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        _LOG.warning("The kept copy of an opened mix is made again: %s", error)
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return mix


def _check(file: Path, size: int, digest: str) -> None:
    if file.stat().st_size != size or file_sha256(file) != digest:
        raise StoreError(f"{file} was changed after it was written.")


def _load(path: Path, mapped: bool) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    return np.asarray(array)


def _arrays(mix: Mix) -> dict[str, NDArray[Any]]:
    """Return every array of a mix by name."""
    graphs = mix.graphs
    found = {f"graphs.{name}": array for name, array in _own_arrays(graphs).items()}
    found |= {f"encodings.{name}": array for name, array in graphs.encodings.items()}
    found |= {f"bond_encodings.{name}": array for name, array in graphs.bond_encodings.items()}
    found |= {name: getattr(mix, name) for name in ("part", "dataset", "source_row")}
    groups: Mapping[str, Sequence[Any]] = {
        "tasks": list(mix.tasks.values()),
        "sources": list(mix.sources.values()),
        "contradictions": list(mix.contradictions.values()),
    }
    for group, members in groups.items():
        for number, one in enumerate(members):  # names of tasks may be no names of files
            found |= {f"{group}.{number}.{name}": a for name, a in _own_arrays(one).items()}
    return found


def _own_arrays(holder: Any) -> dict[str, NDArray[Any]]:
    values = {field.name: getattr(holder, field.name) for field in fields(holder)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def _assemble(
    manifest: dict[str, Any], arrays: Mapping[str, NDArray[Any]], datasets: Sequence[Dataset]
) -> Mix:
    def group(prefix: str) -> dict[str, NDArray[Any]]:
        return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}

    def members(name: str, make: Callable[..., _T], names: Sequence[str]) -> dict[str, _T]:
        return {one: make(**group(f"{name}.{number}.")) for number, one in enumerate(names)}

    graphs = group("graphs.")
    # The network's own tables; tensors must not look at memory that cannot be written.
    tables = {name: np.array(graphs.pop(name)) for name in ("atom_table", "bond_table")}
    specs = [TaskSpec.model_validate(one) for one in manifest["specs"]]
    tasks = {
        spec.name: TaskData(spec=spec, **group(f"tasks.{number}."))
        for number, spec in enumerate(specs)
    }
    dataset, source_row = arrays["dataset"], arrays["source_row"]
    return Mix(
        graphs=PackedGraphs(
            **graphs,
            **tables,
            encodings={name: arrays[f"encodings.{name}"] for name in manifest["encodings"]},
            bond_encodings={
                name: arrays[f"bond_encodings.{name}"] for name in manifest["bond_encodings"]
            },
        ),
        tasks=tasks,
        part=arrays["part"],
        dataset=dataset,
        source_row=source_row,
        sources=members("sources", SourceRows, manifest["sources"]),
        report=MixReport.model_validate(manifest["report"]),
        contradictions=members("contradictions", Contradictions, manifest["contradictions"]),
        read_smiles=smiles_reader(datasets, dataset, source_row),
        hydrogens=manifest["hydrogens"],
    )


def _digest_split(dataset: DatasetConfig) -> object:
    """Return the digests of the files that a split is read from, and what each is."""
    split = dataset.split
    if split.kind == "file":
        return _digest_if_there(Path(split.file))
    if split.kind != "folder":
        return None
    folder = open_folder(Path(dataset.shown_table))
    lists = split_files(folder, split)
    return [folder.parts, {name: _digest_if_there(file) for name, file in lists.items()}]


def _digest_if_there(file: Path) -> str | None:
    """Return the digest of a split file; whoever reads it says what is wrong with it."""
    try:
        return file_sha256(file)
    except OSError:
        return None


def _code_sha256() -> str:
    package = Path(graphium.__file__).parent
    files = sorted(path for folder in _CODE for path in (package / folder).rglob("*.py"))
    return json_sha256([(path.name, file_sha256(path)) for path in files])


def _remove_oldest(parent: Path, newest: Path) -> None:
    """Remove what was not used for longest until the rest fits; others may still map it."""
    copies = [path.parent for path in parent.glob(f"*/{MANIFEST}")]
    copies.sort(key=lambda path: (path == newest, (path / MANIFEST).stat().st_mtime))
    sizes = {path: sum(file.stat().st_size for file in path.iterdir()) for path in copies}
    total = sum(sizes.values())
    for path in copies:
        if total <= MOST_BYTES or path == newest:
            return
        shutil.rmtree(path, ignore_errors=True)
        total -= sizes[path]
