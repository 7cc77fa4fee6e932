"""Files that make one table together must agree on their columns.

Their order is that of the first file. Records of an SDF may lack properties, and so may all of a
file: its cells are missing there. Types may differ as far as no cell changes its meaning: whole
numbers beside fractions, and a column of which one file knows nothing (pandas writes both).
"""

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from graphium.errors import DataError
from graphium.labels.header import check_same_names
from graphium.labels.readers import TableFile
from graphium.labels.types import is_numeric


def common_schema(pattern: str, files: Sequence[TableFile]) -> pa.Schema:
    """Return the columns and types that all files can be read with.

    Args:
        pattern: What matches the files, for messages.
        files: At least one.

    Raises:
        DataError: If columns differ, or hold what has no type in common; the message names the
            file and the columns.
    """
    if files[0].structure is not None:
        return pa.unify_schemas([one.schema for one in files])
    first, *others = files
    schema = first.schema
    for one in others:
        check_same_names(pattern, first.path, schema.names, one.path, one.schema.names)
        if one.schema.equals(schema):
            continue
        fields = []
        for known in schema:
            field = one.schema.field(known.name)
            kind = _common_type(known.type, field.type)
            if kind is None:
                raise DataError(
                    f"Column '{known.name}' holds {field.type} in {one.path} and {known.type} in "
                    f"earlier files of {pattern}; the files of one table must agree."
                )
            fields.append(pa.field(known.name, kind))
        schema = pa.schema(fields)
    return schema


def fit_columns(file: TableFile, schema: pa.Schema) -> Callable[[], Iterator[pa.RecordBatch]]:
    """Return how to read a file with columns and types of the whole table."""
    names = file.schema.names
    if names == schema.names and file.schema.equals(schema):
        return file.open

    def read() -> Iterator[pa.RecordBatch]:
        for batch in file.open():
            plain = batch.rename_columns(names)
            cells = [
                plain.column(field.name).cast(field.type, safe=False)
                if field.name in names
                else pa.nulls(len(plain), field.type)
                for field in schema
            ]
            yield pa.record_batch(cells, schema=schema)

    return read


def _common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if one.equals(other):
        return one
    if is_numeric(one) and is_numeric(other):
        return pa.float64()
    kinds = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in (one, other)]
    schemas = [pa.schema([("cell", kind)]) for kind in kinds]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None
