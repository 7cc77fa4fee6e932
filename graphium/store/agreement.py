"""Whether the record of a segment can be one of its plan: records are read before they are signed.

Values are not looked at here; arrays are compared with their digests when they are read.
"""

from collections.abc import Collection

from graphium.store.records import Plan, SegmentRecord


def disagreement(plan: Plan, record: SegmentRecord, arrays: Collection[str]) -> str | None:
    """Say what a record has that its plan cannot have led to; None where all agrees.

    Args:
        plan: Of the store.
        record: Of one of its segments.
        arrays: What the other segments hold.
    """
    number = record.segment
    if not 0 <= number < plan.num_segments:
        return f"there is no segment {number}"
    rows = (plan.first_row_of(number), plan.rows_of(number))
    if (record.first_row, record.rows) != rows:
        return f"segment {number} has {rows[1]} rows from row {rows[0]} on"
    absent = next((name for name in arrays if name not in record.arrays), None)
    if absent is not None:
        return f"it has no array '{absent}', which other segments have"
    lengths = {
        "status": record.rows,
        "n_atoms": record.molecules,
        "atom_code": record.atoms,
        "bond_code": record.bonds,
    }
    for name, length in lengths.items():
        array = record.arrays.get(name)
        if array is None or array.shape[:1] != (length,):
            return f"it counts {length} for its array '{name}', which has another length"
    for name in (*(one.name for one in plan.columns), *(one.kind for one in plan.families)):
        if name not in record.coverage:
            return f"it says nothing of the column '{name}'"
    return None
