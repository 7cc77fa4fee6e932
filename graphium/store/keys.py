"""Which molecules of several stores are the same: index arrays beside the stores.

Equal hashes propose, equal canonical forms decide, and only among molecules of equal hash; so the
cost is that of the molecules that occur more than once. The index is made once for a list of
stores (``build_keys``, needs rdkit) and read by training (``load_keys``, does not).
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphium.errors import StoreError
from graphium.graphs.mol_block import offsets
from graphium.store.arrays import read_array, write_arrays
from graphium.store.files import canonical_json, json_sha256, sync_folder, sync_tree, write_atomic
from graphium.store.layout import MANIFEST, TEMPORARY
from graphium.store.manifest import check_file, read_signed_json, sign
from graphium.store.owner import own_name, remove_dead_writers
from graphium.store.pool import Job, WorkerPool
from graphium.store.read import Store
from graphium.store.records import FileRecord
from graphium.store.source import content_versions

FORMAT = "graphium-keys"
FORMAT_VERSION = 1
FOLDER = "mixes"
"""Folder of all key indexes, beside that of the stores."""
_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """T molecules of all stores, one store after another."""

    molecule: NDArray[np.int64]
    """[T] number of the joined molecule; equal for equal join keys, counted by first occurrence."""
    split_group: NDArray[np.int64]
    """[T] number of the group that a split must not part; equal for equal split keys."""
    scaffold: NDArray[np.uint64] | None
    """[T] hash of the Bemis-Murcko scaffold; a molecule without rings is its split group's own."""
    starts: NDArray[np.int64]
    """[stores + 1] first molecule of each store, and T."""


def build_keys(stores: Sequence[Store], root: Path, *, scaffolds: bool, workers: int = 0) -> Path:
    """Make the index of these stores in this order, or return at once when it is there.

    Args:
        stores: Prepared stores.
        root: Folder of all stores.
        scaffolds: Also hash scaffolds, which takes a look at every molecule.
        workers: Processes; 0 takes one for each core.

    Raises:
        StoreError: If the stores come from different versions of RDKit or of the featurizer.
    """
    with WorkerPool(workers) as pool:
        return build_keys_with(pool, stores, root, scaffolds=scaffolds)


def build_keys_with(
    pool: WorkerPool, stores: Sequence[Store], root: Path, *, scaffolds: bool
) -> Path:
    """Do the same with workers that are there."""
    folder = keys_path([store.record.content for store in stores], root, scaffolds=scaffolds)
    if (folder / MANIFEST).is_file():
        return folder
    _check_versions(stores)
    smiles = [text for store in stores for text in store.smiles()]
    blocks = [store.graphs() for store in stores]
    join_hash = np.concatenate([block.join_hash for block in blocks])
    split_hash = np.concatenate([block.split_hash for block in blocks])
    arrays: dict[str, NDArray[Any]] = {
        "molecule": _group(join_hash, lambda rows: _keys(pool, "join", smiles, rows)),
        "split_group": _group(split_hash, lambda rows: _keys(pool, "split", smiles, rows)),
        "starts": offsets(np.array([store.num_molecules for store in stores])),
    }
    if scaffolds:
        arrays["scaffold"] = _hash_scaffolds(pool, smiles, arrays["split_group"])
    _write(folder, arrays)
    return folder


def load_keys(stores: Sequence[Store], root: Path) -> KeyIndex:
    """Read the index of these stores in this order, with scaffolds if there is one that has them.

    Raises:
        StoreError: If the index has not been made, or is damaged.
    """
    contents = [store.record.content for store in stores]
    for scaffolds in (True, False):
        folder = keys_path(contents, root, scaffolds=scaffolds)
        if (folder / MANIFEST).is_file():
            return _read(folder, has_scaffolds=scaffolds)
    raise StoreError(
        f"There is no key index of {', '.join(store.path.name for store in stores)} "
        f"under {root}; run `graphium data prepare EXPERIMENT`."
    )


def keys_path(contents: Sequence[str], root: Path, *, scaffolds: bool) -> Path:
    """Return where the index of stores with these content digests is or will be."""
    key = {"version": FORMAT_VERSION, "stores": list(contents), "scaffolds": scaffolds}
    return root / FOLDER / json_sha256(key)[:16]


def _check_versions(stores: Sequence[Store]) -> None:
    """Canonical forms are comparable only within one version of RDKit."""
    ours = content_versions()
    for store in stores:
        made_by = store.record.plan.versions
        if made_by != ours:
            raise StoreError(
                f"{store.path} was made by {_spell(made_by)}; this is {_spell(ours)}. Stores of "
                "different versions are not joined: prepare its table again."
            )


def _spell(versions: dict[str, str]) -> str:
    return " and ".join(f"{name} {number}" for name, number in sorted(versions.items()))


def _group(
    hashes: NDArray[np.uint64], decide: Callable[[NDArray[np.int64]], list[str]]
) -> NDArray[np.int64]:
    """Number rows by equal hash and equal key, in the order of first occurrence.

    Args:
        hashes: [T, 2] proposals.
        decide: Rows to their keys; asked for the rows that share their hash.
    """
    _, proposed, counts = np.unique(hashes, axis=0, return_inverse=True, return_counts=True)
    proposed = proposed.reshape(-1)
    shared = np.flatnonzero(counts[proposed] > 1)
    first = np.arange(len(hashes))
    seen: dict[tuple[int, str], int] = {}
    for row, key in zip(shared.tolist(), decide(shared), strict=True):
        first[row] = seen.setdefault((int(proposed[row]), key), row)
    return np.unique(first, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _keys(
    pool: WorkerPool,
    key: Literal["join", "split", "scaffold"],
    smiles: Sequence[str],
    rows: NDArray[np.int64],
) -> list[str]:
    parts = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
    jobs = (
        Job(
            {"kind": "keys", "key": key, "number": number},
            pa.table({"smiles": pa.array([smiles[row] for row in part], pa.string())}),
            f"the {key} keys of {len(part)} molecules",
        )
        for number, part in enumerate(parts)
    )
    found = {answer["number"]: answer["keys"] for answer in pool.run(jobs, lambda _: None)}
    return [text for number in range(len(parts)) for text in found[number]]


def _hash_scaffolds(
    pool: WorkerPool, smiles: Sequence[str], split_group: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return [T] scaffold hashes; molecules of one split group have one scaffold."""
    _, representative, group = np.unique(split_group, return_index=True, return_inverse=True)
    scaffolds = _keys(pool, "scaffold", smiles, representative)
    acyclic = np.flatnonzero(np.array([not text for text in scaffolds], bool))
    names = _keys(pool, "split", smiles, representative[acyclic])
    for position, name in zip(acyclic.tolist(), names, strict=True):
        scaffolds[position] = f"no ring: {name}"
    hashes = np.array([_hash(text) for text in scaffolds], np.uint64)
    return hashes[group.reshape(-1)]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _write(folder: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write the index beside its place and rename it; of two writers the first one wins."""
    mixes = folder.parent
    mixes.mkdir(parents=True, exist_ok=True)
    remove_dead_writers(mixes)
    with own_name(mixes) as writer:
        temporary = mixes / f"{TEMPORARY}{writer}-{folder.name}"
        temporary.mkdir()
        write_arrays(temporary / "arrays", arrays, {})
        content = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "files": sync_tree(temporary),
        }
        write_atomic(temporary / MANIFEST, canonical_json(sign(content)), writer)
        try:
            os.rename(temporary, folder)
        except OSError:
            if not (folder / MANIFEST).is_file():
                raise
            shutil.rmtree(temporary)
        sync_folder(mixes)


def _read(folder: Path, *, has_scaffolds: bool) -> KeyIndex:
    manifest = read_signed_json(folder / MANIFEST, FORMAT, FORMAT_VERSION)
    for name, (size, digest) in manifest["files"].items():
        check_file(folder / name, FileRecord(size=size, sha256=digest), "key index of a mix")
    arrays = folder / "arrays"
    return KeyIndex(
        molecule=read_array(arrays, "molecule"),
        split_group=read_array(arrays, "split_group"),
        scaffold=read_array(arrays, "scaffold") if has_scaffolds else None,
        starts=read_array(arrays, "starts"),
    )
