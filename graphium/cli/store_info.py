"""What ``graphium data info`` says of a store."""

from graphium.store.encodings import StoredEncoding, encoding_folders, stored_encodings
from graphium.store.read import Store
from graphium.store.records import Coverage, Plan, StoredColumn

_MANY_COLUMNS = 30
"""More columns of one kind are summed up."""
_HELD = {
    "bit": "0 or 1, a bit each",
    "code": "whole numbers from -1 to 254, a byte each",
    "float": "float32",
}


def describe_store(store: Store, *, every_column: bool = False) -> str:
    """Return counts, label coverage, failures, bytes by array, and what made the store.

    Args:
        store: The store.
        every_column: Give each column a line, however many they are.
    """
    return "\n".join(
        [
            _describe_source(store),
            _describe_columns(store, every_column=every_column),
            _describe_conformers(store),
            _describe_failures(store),
            _describe_bytes(store),
            _describe_encodings(store),
        ]
    )


def count_content(store: Store) -> str:
    """Return how much there is of a store, in words."""
    record = store.record
    return (
        f"{record.molecules:,} molecules of {store.num_rows:,} rows, {record.atoms:,} atoms, "
        f"{record.bonds:,} bonds"
    )


def _describe_source(store: Store) -> str:
    plan = store.record.plan
    made_by = {
        f"{library} {version}"
        for segment in store.record.segments
        for library, version in segment.versions.items()
    }
    slow = sum(segment.num_by_getters for segment in store.record.segments)
    files = f", {len(plan.files)} files" if plan.files else ""
    segments = f"{plan.num_segments} of up to {plan.segment_rows:,} rows"
    if plan.earlier:
        segments = f"{plan.num_segments}, the last {plan.num_segments - plan.num_earlier_segments}"
        segments += f" of up to {plan.segment_rows:,} rows"
    return "\n".join(
        [
            store.path.name,
            f"  table     {plan.source}{files} (SMILES in '{plan.smiles}')",
            f"  content   {count_content(store)}",
            f"  hydrogens {plan.hydrogens}",
            f"  read by   decoder {store.num_molecules - slow:,}, RDKit's getters {slow:,}",
            f"  segments  {segments}",
            *_describe_growth(plan),
            f"  made by   {', '.join(sorted(made_by))}; featurizer {plan.versions['featurizer']}",
        ]
    )


def _describe_growth(plan: Plan) -> list[str]:
    """Say which rows were there first, and which were added to them."""
    if not plan.earlier:
        return []
    lines = [
        f"  shared    {one.rows:,} rows in {one.num_segments:,} segments, with {one.store}"
        for one in plan.earlier
    ]
    added = plan.rows - plan.num_earlier_rows
    segments = plan.num_segments - plan.num_earlier_segments
    return [*lines, f"  added     {added:,} rows in {segments:,} segments"]


def _describe_columns(store: Store, *, every_column: bool) -> str:
    lines = ["labels (molecules with one, values, share of molecules)"]
    plan = store.record.plan
    groups: dict[tuple[str, str], list[StoredColumn]] = {}
    for column in plan.columns:
        groups.setdefault((_kind(column), column.storage), []).append(column)
    summed_up = [] if every_column else [g for g in groups.items() if len(g[1]) > _MANY_COLUMNS]
    hidden = {column.name for _, group in summed_up for column in group}
    shown = [
        (one.name, one.name, _kind(one), one.unit) for one in plan.columns if one.name not in hidden
    ]
    shown += [
        (family.kind, f"{family.kind}.* ({len(family.columns)})", "graph", None)
        for family in plan.families
    ]
    width = max((len(title) for _, title, _, _ in shown), default=0)
    for name, title, kind, unit in shown:
        coverage = store.record.coverage[name]
        share = coverage.molecules / store.num_molecules
        lines.append(
            f"  {title:<{width}}  {kind:<5}  {coverage.molecules:>10,}  "
            f"{coverage.labels:>12,}  {share:>6.1%}" + (f"  {unit}" if unit else "")
        )
        lines += _remarks(coverage, width)
    for (kind, storage), group in summed_up:
        lines += _sum_up(store, kind, storage, group)
    for name, reason in plan.skipped.items():
        lines.append(f"  {name:<{width}}  not kept: {reason}")
    for name, count in plan.infinite.items():
        lines.append(f"  {name:<{width}}  {count:,} infinite values count as missing")
    return "\n".join(lines)


def _kind(column: StoredColumn) -> str:
    return "text" if column.is_text else column.level


def _remarks(coverage: Coverage, width: int) -> list[str]:
    lines = []
    if coverage.missing:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in coverage.missing.items())
        lines.append(f"  {'':<{width}}  missing, whole or in part, of molecules: {reasons}")
    if coverage.left_out:
        lines.append(f"  {'':<{width}}  {coverage.left_out:,} of hydrogens left out")
    return lines


def _sum_up(store: Store, kind: str, storage: str, group: list[StoredColumn]) -> list[str]:
    """Describe many columns of one kind in three lines."""
    found = [(store.record.coverage[one.name], one.name) for one in group]
    found.sort(key=lambda one: one[0].molecules)
    labels = sum(coverage.labels for coverage, _ in found)
    middle = found[len(found) // 2][0].molecules
    (fewest, least), (most, largest) = found[0], found[-1]
    held = "" if kind != "graph" else f" ({_HELD[storage]})"
    empty = sum(coverage.molecules == 0 for coverage, _ in found)
    lines = [
        f"  {len(group):,} columns  {kind}{held}: '{group[0].name}' to '{group[-1].name}' "
        "(--every-column lists them)",
        f"    {labels:,} values, {labels / len(group) / store.num_molecules:.2f} a molecule in "
        "the mean column",
        f"    molecules with one: {fewest.molecules:,} ('{least}') to {most.molecules:,} "
        f"('{largest}'), median {middle:,}",
    ]
    return lines + ([f"    {empty:,} of these columns hold no label"] if empty else [])


def _describe_conformers(store: Store) -> str:
    how, found = store.record.plan.conformers, store.record.conformers
    if how is None or found is None:
        return "coordinates: none"
    options = ", ".join(f"{name} {value}" for name, value in how.options.items())
    lines = [f"coordinates of {found.molecules:,} of {store.num_molecules:,} molecules ({options})"]
    lines += [f"  {reason:<12} {count:>10,}" for reason, count in found.missing.items()]
    return "\n".join(lines)


def _describe_failures(store: Store) -> str:
    failures = store.record.failures
    if not failures:
        return "rows left out: none"
    lines = [f"rows left out: {sum(failures.values()):,} (rejects.csv)"]
    lines += [f"  {reason:<10} {count:>10,}" for reason, count in failures.items()]
    return "\n".join(lines)


def _describe_bytes(store: Store) -> str:
    arrays = sorted(store.record.arrays.items(), key=lambda item: -item[1].bytes)
    total = sum(array.bytes for _, array in arrays)
    lines = [f"bytes on disk: {total:,} ({total / store.num_molecules:.1f} a molecule)"]
    lines += [
        f"  {name:<20} {array.bytes:>14,}  {array.bytes / store.num_molecules:>8.2f}"
        for name, array in arrays
    ]
    return "\n".join(lines)


def _describe_encodings(store: Store) -> str:
    found = stored_encodings(store)
    finished, begun = encoding_folders(store.path)
    lines = [_describe_encoding(one, store.num_molecules) for one in found]
    known = [one.path for one in found]
    lines += [
        f"  {path.name}: of another version of graphium or another store; not read"
        for path in finished
        if path not in known
    ]
    lines += [f"  {path.name}: not finished; adding it again goes on with it" for path in begun]
    return "\n".join(["encodings added", *lines]) if lines else "encodings added: none"


def _describe_encoding(one: StoredEncoding, molecules: int) -> str:
    size = sum(array.bytes for array in one.manifest.arrays.values())
    options = ", ".join(f"{name} {value}" for name, value in one.plan.parameters.items())
    off = f" (off by at most {one.manifest.error:.2g})" if one.manifest.error else ""
    return (
        f"  {one.plan.kind} ({options}) as {one.plan.precision}{off}: {size:,} bytes, "
        f"{size / molecules:.1f} a molecule"
    )
