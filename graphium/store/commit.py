"""The end of a preparation: from finished segments to a store."""

import io
import logging
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from graphium.errors import DataError, StoreError, counted, quoted
from graphium.graphs.mol_block import RowStatus
from graphium.labels.csv_lines import csv_writer
from graphium.store.agreement import disagreement
from graphium.store.disk_errors import writing
from graphium.store.files import sync_ancestors, sync_folder, write_atomic
from graphium.store.layout import COMMITS, MANIFEST, PLAN, REJECTS, SEGMENTS
from graphium.store.manifest import build_manifest, check_file, read_manifest, write_manifest
from graphium.store.owner import own_name, remove_dead_writers, tidy_finished
from graphium.store.planning import load_plan
from graphium.store.portions import noted_division
from graphium.store.read import Reject, read_rejects
from graphium.store.records import Manifest, Plan, SegmentRecord, describe_errors

_LOG = logging.getLogger(__name__)
_SHOWN = 20
"""Commands that a message lists."""
_FOLDERS_ABOVE = 3
"""Folders above a store that a preparation may have made: ``stores``, its parent, that one's."""
_MANY = 1_000
"""Molecules from which on it is worth a word that they took the slow way."""


def commit_store(store: Path) -> None:
    """Finish a store whose segments are all there; return at once if it is finished.

    Args:
        store: Its folder.

    Raises:
        StoreError: If segments are missing; the message names them and the commands that make them.
        DataError: If no row of its table is a molecule.
    """
    if not (store / MANIFEST).is_file():
        if not (store / PLAN).is_file():
            raise StoreError(
                f"{store} is not the folder of a store that is being prepared (it has no {PLAN}); "
                "`graphium data prepare` prints the folder."
            )
        remove_dead_writers(store)
        plan = load_plan(store / PLAN)
        absent = missing_segments(store, plan)
        if absent:
            raise StoreError(_describe_missing(store, plan, absent))
        try:
            with writing(store), own_name(store) as writer:
                finish_store(plan.source, plan, store, writer)
        except (DataError, OSError):
            if not (store / MANIFEST).is_file():  # else another machine has finished it meanwhile
                raise
    tidy(store)


def tidy(store: Path) -> Manifest:
    """Remove what a finished store does not name; living writers of this machine keep theirs.

    Returns:
        The store's manifest.

    Raises:
        StoreError: If the manifest is damaged.
    """
    manifest = read_manifest(store)
    tidy_finished(store, [segment.folder for segment in manifest.segments])
    return manifest


def missing_segments(store: Path, plan: Plan) -> list[int]:
    """Return the numbers of the segments that have no record yet."""
    return [
        number
        for number in range(plan.num_segments)
        if not (store / COMMITS / f"{number:05d}.json").is_file()
    ]


def _describe_missing(store: Path, plan: Plan, absent: Sequence[int]) -> str:
    text = (
        f"The store {store} cannot be committed: {len(absent)} of its {plan.num_segments} segments "
        f"are missing ({_ranges(absent)}). "
    )
    division = noted_division(store)
    if division is None:
        return f"{text}Run `graphium data prepare` on {plan.source} again; it makes the rest."
    parts = division.parts_of(plan, absent)
    shown = [f"  {division.command_of(part)}" for part in parts[:_SHOWN]]
    if len(parts) > _SHOWN:
        shown.append(f"  ... and parts {_ranges(parts[_SHOWN:])}")
    where = f"called in {division.folder}, unless they are running still"
    return f"{text}These commands make them, {where}:\n" + "\n".join(shown)


def _ranges(numbers: Sequence[int]) -> str:
    """Return increasing numbers as in ``0, 4-7``."""
    words = []
    first = numbers[0]
    for number, after in zip(numbers, [*numbers[1:], -1], strict=True):
        if after != number + 1:
            words.append(str(number) if number == first else f"{first}-{number}")
            first = after
    return ", ".join(words)


def read_records(store: Path) -> dict[int, SegmentRecord]:
    """Return the records of all finished segments by number.

    Raises:
        StoreError: If one is damaged.
    """
    records = {}
    # Not `*`: another process may be writing a record, which is none before it has its name.
    for path in sorted((store / COMMITS).glob("[0-9]*.json")):
        try:
            record = SegmentRecord.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise _damaged_record(store, path, describe_errors(error)) from error
        if path.stem != f"{record.segment:05d}":
            raise _damaged_record(store, path, f"it says that it is of segment {record.segment}")
        records[record.segment] = record
    return records


def _damaged_record(store: Path, path: Path, problem: str) -> StoreError:
    return StoreError(f"{path} is damaged: {problem}. Remove {store} and prepare the table again.")


def finish_store(name: str, plan: Plan, store: Path, writer: str) -> None:
    """Make the store exist: list its rejects, write its manifest.

    Args:
        name: Name of the dataset, for messages.
        plan: Of the store.
        store: Its folder, with all its segments.
        writer: Name of this process.

    Raises:
        DataError: If rows are missing, or none is a molecule.
        StoreError: If a record is damaged.
    """
    records = [record for _, record in sorted(read_records(store).items())]
    _check_records(name, plan, store, records)
    rows = plan.rows
    rejects = read_rejects(store, records)
    if rejects:
        first = "; ".join(
            f"{plan.row_words(one.row)} {quoted(one.smiles)}: {one.reason}" for one in rejects[:3]
        )
        where = store / REJECTS
        left_out = f"{len(rejects)} of {rows} rows were left out: {_count_kinds(rejects)}"
        _LOG.warning("Dataset '%s': %s (%s); see %s", name, left_out, first, where)
    text = io.StringIO()
    lines = csv_writer(text)
    of_file = ["file", "row of file"] if plan.files else []
    lines.writerow(["row", "smiles", "reason", *of_file])
    for one in rejects:
        place = plan.place(one.row) if plan.files else ()
        lines.writerow([one.row, one.smiles, one.reason, *place])
    write_atomic(store / REJECTS, text.getvalue().encode(), writer)
    if len(rejects) == rows:
        no_molecules = any(one.status != RowStatus.LABELS for one in rejects)
        question = f" Is '{plan.smiles}' the SMILES column?" if no_molecules else ""
        raise DataError(
            f"None of the {rows} rows of dataset '{name}' can be used: {_count_kinds(rejects)}; "
            f"the first reasons: {first}. All are listed in {where}.{question}"
        )
    _warn_of_getters(name, records)
    for column, count in plan.infinite.items():
        _LOG.warning(
            "Dataset '%s': %s of column '%s' taken as missing",
            name,
            counted(count, "infinite value"),
            column,
        )
    _settle(store, records)
    remove_dead_writers(store)  # workers whose parent was killed end some time after it
    commits = [f"{COMMITS}/{number:05d}.json" for number in range(plan.num_segments)]
    manifest = build_manifest(store, plan, records, [PLAN, REJECTS, *commits])
    for column, coverage in manifest.coverage.items():
        if coverage.left_out:
            _LOG.warning(
                "Dataset '%s': %d labels of column '%s' are of hydrogens that are no atoms of the "
                "graph (hydrogens: %s); they are left out",
                *(name, coverage.left_out, column, plan.hydrogens),
            )
    found = manifest.conformers
    if found is not None and found.missing:
        reasons = ", ".join(f"{count} {reason}" for reason, count in found.missing.items())
        _LOG.warning(
            "Dataset '%s': %d of %d molecules have no coordinates (%s); they stay",
            *(name, manifest.molecules - found.molecules, manifest.molecules, reasons),
        )
    write_manifest(store, manifest, writer)


def _check_records(name: str, plan: Plan, store: Path, records: Sequence[SegmentRecord]) -> None:
    """Check that the segments are all rows of the table, and what the plan says they are."""
    rows = sum(record.rows for record in records)
    if len(records) != plan.num_segments or rows != plan.rows:
        raise DataError(
            f"The table of dataset '{name}' had {plan.rows} rows and now has {rows}: it changed "
            f"while it was read. Remove {store} and prepare it again."
        )
    for record in records:
        if problem := disagreement(plan, record, records[0].arrays):
            path = store / COMMITS / f"{record.segment:05d}.json"
            raise _damaged_record(store, path, problem)


def _settle(store: Path, records: Sequence[SegmentRecord]) -> None:
    """Make durable what the manifest will name, and see that it is there.

    A record may have got its name from a process that died before the name was durable.
    """
    for record in records:
        for name, file in record.files.items():
            check_file(store / record.folder / name, file)
    for folder in (store / SEGMENTS, store / COMMITS):
        sync_folder(folder)
    sync_ancestors(store, _FOLDERS_ABOVE)


def _count_kinds(rejects: Sequence[Reject]) -> str:
    """Return how many are no molecules, and how many are molecules with lists that do not fit."""
    misfits = sum(one.status == RowStatus.LABELS for one in rejects)
    others = len(rejects) - misfits
    words = []
    if others:
        words.append(f"{others} {'is no molecule' if others == 1 else 'are no molecules'}")
    if misfits:
        words.append(f"{misfits} {'has' if misfits == 1 else 'have'} a list that does not fit")
    return ", ".join(words)


def _warn_of_getters(name: str, records: Sequence[SegmentRecord]) -> None:
    """Say so where no molecule of a long table was decoded: numbers are right, time is lost."""
    molecules = sum(record.molecules for record in records)
    if molecules < _MANY or any(record.num_by_getters < record.molecules for record in records):
        return
    from graphium.molecules.fast_path import TESTED_RDKIT  # imports RDKit

    _LOG.warning(
        "Dataset '%s': none of its %d molecules could take the fast way from RDKit, which costs "
        "time and changes no number. Unless each holds an atom map or a dummy, this version of "
        "RDKit (%s) is not among those that graphium has been tested with (%s), or fails its "
        "self-test",
        *(name, molecules, records[0].versions.get("rdkit", "unknown"), ", ".join(TESTED_RDKIT)),
    )
