"""What differs between experiments, key by key."""

import json
from collections.abc import Mapping, Sequence


def flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Return dotted keys and their values as JSON; an empty section is a value."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value, ensure_ascii=False)
    return flat


def differing(records: Sequence[Mapping[str, object]]) -> dict[str, list[str | None]]:
    """Return the keys that do not hold the same everywhere.

    Args:
        records: Experiments, or other records, as plain values.

    Returns:
        Dotted key -> its value in each record as JSON, None where it has no such key.
    """
    flat = [flatten(record) for record in records]
    keys = dict.fromkeys(key for one in flat for key in one)
    rows = {key: [one.get(key) for one in flat] for key in keys}
    return {key: row for key, row in rows.items() if any(value != row[0] for value in row)}
