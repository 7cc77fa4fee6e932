"""Types of a table's columns: numbers, text, lists of numbers."""

import pyarrow as pa


def is_numeric(kind: pa.DataType) -> bool:
    """Whether a type is one of numbers or truth values."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is one of strings or bytes."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)
    )


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is a list of numbers, or a list of such lists."""
    return is_plain_list(kind) or (_is_any_list(kind) and is_plain_list(kind.value_type))


def is_plain_list(kind: pa.DataType) -> bool:
    """Whether a type is a list of numbers."""
    return _is_any_list(kind) and (
        is_numeric(kind.value_type) or bool(pa.types.is_null(kind.value_type))
    )


def _is_any_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
