"""Which molecules of several stores are the same: index arrays beside the stores.

Equal hashes propose, equal canonical forms decide, and only among molecules of equal hash; so the
cost is that of the molecules that occur more than once. Kinds of keys that join more than canonical
SMILES are not proposed by the hash: every distinct molecule is looked at once. The index is made
once for a list of stores (``build_keys``, needs rdkit) and read by training (``load_keys``, does
not).
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphium.config.keys import KeysConfig
from graphium.errors import StoreError
from graphium.graphs.mol_block import offsets
from graphium.store.arrays import read_array, write_arrays
from graphium.store.disk_errors import writing
from graphium.store.fault_points import reach
from graphium.store.files import canonical_json, json_sha256, sync_folder, sync_tree, write_atomic
from graphium.store.grouping import by_first_occurrence, group, number_equal, text_digest, unite
from graphium.store.layout import MANIFEST, TEMPORARY
from graphium.store.manifest import check_file, read_signed_json, sign
from graphium.store.owner import own_name, remove_dead_writers
from graphium.store.pool import Job, WorkerPool
from graphium.store.progress import progress_bar
from graphium.store.read import Store
from graphium.store.records import FileRecord
from graphium.store.source import content_versions

FORMAT = "graphium-keys"
FORMAT_VERSION = 2
FOLDER = "mixes"
"""Folder of all key indexes, beside that of the stores."""
_LARGEST = 2**64 - 1
_BATCH = 500
"""Molecules of a job; canonical tautomers of one may take a second."""
_SHOWN = 5_000
"""Molecules that are looked at without a word about how far it is."""


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """T molecules of all stores, one store after another."""

    molecule: NDArray[np.int64]
    """[T] number of the joined molecule; equal for equal join keys, counted by first occurrence."""
    split_group: NDArray[np.int64]
    """[T] number of the group that a split must not part; equal for equal split keys, and for
    equal join keys."""
    group_hash: NDArray[np.uint64]
    """[T] hash of what the split key speaks of, equal in one split group and the same in every
    mix (unless a join key unites split groups: then the least of theirs)."""
    scaffold: NDArray[np.uint64] | None
    """[T] hash of the Bemis-Murcko scaffold; a molecule without rings is its split group's own."""
    starts: NDArray[np.int64]
    """[stores + 1] first molecule of each store, and T."""


def build_keys(
    stores: Sequence[Store],
    root: Path,
    keys: KeysConfig,
    *,
    scaffolds: bool,
    workers: int = 0,
    progress: bool = False,
) -> Path:
    """Make the index of these stores in this order, or return at once when it is there.

    Args:
        stores: Prepared stores.
        root: Folder of all stores.
        keys: Kinds of join key and split key.
        scaffolds: Also hash scaffolds, which takes a look at every molecule.
        workers: Processes; 0 takes one for each core.
        progress: Show molecules per second where many have to be looked at.

    Raises:
        StoreError: If the stores come from different versions of RDKit or of the featurizer.
    """
    with WorkerPool(workers) as pool:
        return build_keys_with(pool, stores, root, keys, scaffolds=scaffolds, progress=progress)


def build_keys_with(
    pool: WorkerPool,
    stores: Sequence[Store],
    root: Path,
    keys: KeysConfig,
    *,
    scaffolds: bool,
    progress: bool = False,
) -> Path:
    """Do the same with workers that are there."""
    contents = [store.record.content for store in stores]
    folder = keys_path(contents, root, keys, scaffolds=scaffolds)
    remove_dead_writers(folder.parent)  # also of one that died when its index had its name
    if (folder / MANIFEST).is_file():
        return folder
    _check_versions(stores)
    chemist = _Chemist(pool, [text for store in stores for text in store.smiles()], progress)
    blocks = [store.graphs() for store in stores]
    join_hash = np.concatenate([block.join_hash for block in blocks])
    split_hash = np.concatenate([block.split_hash for block in blocks])
    del blocks
    arrays: dict[str, NDArray[Any]] = {
        **_group_rows(chemist, join_hash, split_hash, keys),
        "starts": offsets(np.array([store.num_molecules for store in stores])),
    }
    if scaffolds:
        arrays["scaffold"] = _hash_scaffolds(chemist, arrays["split_group"])
    with writing(folder):
        _write(folder, arrays, keys)
    return folder


def load_keys(stores: Sequence[Store], root: Path, keys: KeysConfig) -> KeyIndex:
    """Read the index of these stores in this order, with scaffolds if there is one that has them.

    Raises:
        StoreError: If the index has not been made, or is damaged.
    """
    contents = [store.record.content for store in stores]
    for scaffolds in (True, False):
        folder = keys_path(contents, root, keys, scaffolds=scaffolds)
        if (folder / MANIFEST).is_file():
            return _read(folder, has_scaffolds=scaffolds)
    raise StoreError(
        f"There is no key index of {', '.join(store.path.name for store in stores)} (join "
        f"{keys.join}, split {keys.split}) under {root}; run `graphium data prepare EXPERIMENT`."
    )


def keys_path(contents: Sequence[str], root: Path, keys: KeysConfig, *, scaffolds: bool) -> Path:
    """Return where the index of stores with these content digests is or will be."""
    key = {
        "version": FORMAT_VERSION,
        "stores": list(contents),
        "keys": keys.model_dump(mode="json"),
        "scaffolds": scaffolds,
    }
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


class _Chemist:
    """Asks workers for canonical forms.

    Args:
        pool: The workers.
        smiles: [T] SMILES.
        progress: Show how far they are where that takes long.
    """

    def __init__(self, pool: WorkerPool, smiles: Sequence[str], progress: bool) -> None:
        self._pool = pool
        self._smiles = smiles
        self._progress = progress

    def forms(self, key: str, of: str, rows: NDArray[np.int64]) -> list[str]:
        """Return the form of each row: key join, split or scaffold; ``of`` is the kind of key."""
        parts = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
        jobs = (
            Job(
                {"kind": "keys", "key": key, "of": of, "number": number},
                pa.table({"smiles": pa.array([self._smiles[row] for row in part], pa.string())}),
                f"the {key} keys of {len(part)} molecules",
            )
            for number, part in enumerate(parts)
        )
        show = self._progress and len(rows) > _SHOWN
        with progress_bar(f"{key} keys ({of})", len(rows), 0, show=show) as report:
            found = {one["number"]: one["keys"] for one in self._pool.run(jobs, report)}
        return [text for number in range(len(parts)) for text in found[number]]


def _group_rows(
    chemist: _Chemist,
    join_hash: NDArray[np.uint64],
    split_hash: NDArray[np.uint64],
    keys: KeysConfig,
) -> dict[str, NDArray[Any]]:
    """Return molecule, split_group and group_hash of T rows with [T, 1 or more] hashes.

    Every kind of key is equal where the key ``stereo`` is. So rows are joined by that one first,
    and only the first row of each is looked at for others: what is joined can never be parted.
    """
    stereo = group(join_hash, lambda rows: chemist.forms("join", "stereo", rows))
    first = np.unique(stereo, return_index=True)[1].astype(np.int64)

    def same(key: str, of: str, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        return group(hashes[first], lambda rows: chemist.forms(key, of, first[rows]))

    def digests(key: str, of: str) -> NDArray[np.uint64]:
        values = [text_digest(form) for form in chemist.forms(key, of, first)]
        return np.array(values, np.uint64).reshape(-1, 2)

    if keys.split == "connectivity":
        split_digest = split_hash[first]
        split = same("split", keys.split, split_hash)
    else:
        split_digest = digests("split", keys.split)
        split = number_equal(split_digest)
    if keys.join == "stereo":
        join = np.arange(len(first))
    elif keys.join == "connectivity":
        join = same("join", keys.join, join_hash)
    else:
        join = by_first_occurrence(number_equal(digests("join", keys.join)))
    split = unite(join, split)
    least = np.full(int(split.max(initial=-1)) + 1, _LARGEST, np.uint64)
    np.minimum.at(least, split, split_digest[:, 0])
    return {
        "molecule": join[stereo],
        "split_group": split[stereo],
        "group_hash": least[split][stereo],
    }


def _hash_scaffolds(chemist: _Chemist, split_group: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return [T] scaffold hashes; molecules of one split group have that of its first one."""
    representative = np.unique(split_group, return_index=True)[1].astype(np.int64)
    scaffolds = chemist.forms("scaffold", "connectivity", representative)
    acyclic = np.flatnonzero(np.array([not text for text in scaffolds], bool))
    names = chemist.forms("split", "connectivity", representative[acyclic])
    for position, name in zip(acyclic.tolist(), names, strict=True):
        scaffolds[position] = f"no ring: {name}"
    return np.array([text_digest(text)[0] for text in scaffolds], np.uint64)[split_group]


def _write(folder: Path, arrays: dict[str, NDArray[Any]], keys: KeysConfig) -> None:
    """Write the index beside its place and rename it; of two writers the first one wins."""
    mixes = folder.parent
    mixes.mkdir(parents=True, exist_ok=True)
    with own_name(mixes) as writer:
        temporary = mixes / f"{TEMPORARY}{writer}-{folder.name}"
        temporary.mkdir()
        write_arrays(temporary / "arrays", arrays, {})
        content = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "keys": keys.model_dump(mode="json"),
            "files": sync_tree(temporary),
        }
        write_atomic(temporary / MANIFEST, canonical_json(sign(content)), writer)
        try:
            os.rename(temporary, folder)
        except OSError:
            if not (folder / MANIFEST).is_file():
                raise
            shutil.rmtree(temporary)
        reach("keys.renamed")
        sync_folder(mixes)
        reach("keys.durable")


def _read(folder: Path, *, has_scaffolds: bool) -> KeyIndex:
    manifest = read_signed_json(folder / MANIFEST, FORMAT, FORMAT_VERSION)
    for name, (size, digest) in manifest["files"].items():
        # Whole: arrays of one length could stand in each other's place, each with its checksums.
        record = FileRecord(size=size, sha256=digest)
        check_file(folder / name, record, "key index of a mix", whole=True)
    arrays = folder / "arrays"
    return KeyIndex(
        molecule=read_array(arrays, "molecule"),
        split_group=read_array(arrays, "split_group"),
        group_hash=read_array(arrays, "group_hash"),
        scaffold=read_array(arrays, "scaffold") if has_scaffolds else None,
        starts=read_array(arrays, "starts"),
    )
