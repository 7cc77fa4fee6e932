"""The JSON beside the arrays: the plan of a store, the record of a segment, the manifest."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from graphium.config.base import Section
from graphium.config.data import (
    AtomOrder,
    ComputedLabel,
    ConformersConfig,
    FingerprintConfig,
    Hydrogens,
    Level,
)
from graphium.labels.storage import LabelStorage
from graphium.store.files import json_sha256
from graphium.store.layout import FORMAT_VERSION, MAX_SEGMENTS


def content_key(source_sha256: str, versions: dict[str, str], options: dict[str, Any]) -> str:
    """Return 16 hex digits that differ whenever the content of a store would.

    Args:
        source_sha256: Digest of its table.
        versions: Versions that decide the content.
        options: Format of the table and options of its dataset that do.
    """
    known = {"source": source_sha256, "format": FORMAT_VERSION, "versions": versions}
    return json_sha256({**known, **options})[:16]


class StoredColumn(Section):
    """One column of labels (or of text) and where its values come from."""

    name: str
    """Column of the table, or the computed label."""
    level: Level
    """What one value describes."""
    kind: Literal["number", "list", "text", "computed"]
    """How the table holds it; ``computed`` is made by RDKit."""
    storage: LabelStorage = "float"
    """How the numbers of a column of molecules are kept: by what the whole table holds."""
    unit: str | None = None
    """Unit, where it is known."""
    note: str = ""
    """Of text columns: the first cell that is no number."""

    @property
    def is_text(self) -> bool:
        """Whether the values are strings."""
        return self.kind == "text"


class Family(Section):
    """Computed labels of molecules that fill an array of their own."""

    kind: ComputedLabel
    """Name of the array; its columns are ``<kind>.<name>``."""
    names: tuple[str, ...]
    """Names of the columns, in order; those of bits are written as their first and last number."""
    is_binary: bool
    """Whether labels are single bits, eight to a byte."""

    @model_validator(mode="after")
    def _bits_are_numbered(self) -> "Family":
        if self.is_binary:
            ends = [int(name) if name.isdecimal() and len(name) < 7 else -1 for name in self.names]
            if len(ends) != 2 or not 0 <= ends[0] <= ends[1]:
                raise ValueError("bits are named by the numbers of the first and the last")
        return self

    @property
    def columns(self) -> list[str]:
        """Return the full names of the columns, in order."""
        names: Iterable[str] = self.names
        if self.is_binary:
            first, last = map(int, self.names)
            names = map(str, range(first, last + 1))
        return [f"{self.kind}.{name}" for name in names]


class SourceFile(Section):
    """One of several files that make a table."""

    name: str
    """Its name without folders."""
    rows: int


class FileRecord(Section):
    """One file as it was when its writer had finished."""

    size: int
    sha256: str


class EarlierRows(Section):
    """Consecutive rows that a store was made of before others were added to them."""

    store: str
    """Folder of that store; its segments of these rows are shared, not made again."""
    rows: int = Field(ge=0)
    segment_rows: int = Field(gt=0)
    """Rows of each of these segments but the last."""

    @property
    def num_segments(self) -> int:
        """Segments of these rows."""
        return -(-self.rows // self.segment_rows)


class Plan(Section):
    """What a store is made of, decided before its first segment is written."""

    format: Literal["graphium-store"] = "graphium-store"
    format_version: int = FORMAT_VERSION
    source: str
    """Name of the table's file (without folders), the pattern or the first of its files, or the
    name of the bundled table."""
    source_sha256: str
    """SHA-256 of its bytes; of several files, of the JSON list of theirs."""
    files: tuple[SourceFile, ...] = ()
    """The files of a pattern or a list, in the order of their rows."""
    digests: tuple[FileRecord, ...] = ()
    """Each file as it was read, in the order of their rows; none of a bundled table."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Format of the table and options of its dataset that decide the content, as declared."""
    smiles: str
    """SMILES column."""
    rows: int = Field(ge=0)
    """Rows of the table."""
    earlier: tuple[EarlierRows, ...] = ()
    """Rows that an earlier store had already, in order; where the last of them end, new ones begin.
    """
    segment_rows: int = Field(gt=0)
    """Rows of each segment but the last; of those rows that are not ``earlier``."""
    columns: tuple[StoredColumn, ...]
    """Columns kept, in the order of the table."""
    skipped: dict[str, str]
    """Columns that are not kept -> reason."""
    infinite: dict[str, int]
    """Column -> infinite numbers, which count as missing."""
    computed: tuple[ComputedLabel, ...]
    """Labels that RDKit computes."""
    families: tuple[Family, ...] = ()
    """Those that fill an array of their own; the others are ``columns``."""
    fingerprint: FingerprintConfig = FingerprintConfig()
    """Size and radius of ``morgan_bits``."""
    conformers: ConformersConfig | None = None
    """How coordinates are made, where they are kept."""
    hydrogens: Hydrogens = "implicit"
    """Which hydrogens are atoms."""
    atom_order: AtomOrder | None = None
    """Order of lists of atom labels; None is that of the SMILES where no maps disagree."""
    versions: dict[str, str]
    """Versions that decide the content: featurizer and rdkit."""

    @model_validator(mode="after")
    def _rows_can_be_divided(self) -> "Plan":
        if self.num_earlier_rows > self.rows:
            raise ValueError("rows: an earlier store had more")
        if self.num_segments > MAX_SEGMENTS:
            raise ValueError(f"segment_rows: more than {MAX_SEGMENTS} segments")
        if self.files and sum(file.rows for file in self.files) != self.rows:
            raise ValueError("files: together they have another number of rows")
        return self

    @property
    def key(self) -> str:
        """16 hex digits that differ whenever the content does; the name of the store ends so."""
        return content_key(self.source_sha256, self.versions, self.options)

    @property
    def num_segments(self) -> int:
        """Segments of the whole table."""
        new = -(-(self.rows - self.num_earlier_rows) // self.segment_rows)
        return self.num_earlier_segments + new

    @property
    def num_earlier_rows(self) -> int:
        """Rows that an earlier store had."""
        return sum(one.rows for one in self.earlier)

    @property
    def num_earlier_segments(self) -> int:
        """Segments that an earlier store had, too: the first ones."""
        return sum(one.num_segments for one in self.earlier)

    def rows_of(self, segment: int) -> int:
        """Rows of one segment."""
        return self.first_row_of(segment + 1) - self.first_row_of(segment)

    def first_row_of(self, segment: int) -> int:
        """Row of the table at which a segment begins; the end of the last one for the next."""
        first = 0
        for one in self.earlier:
            if segment < one.num_segments:
                return first + segment * one.segment_rows
            first += one.rows
            segment -= one.num_segments
        return min(first + segment * self.segment_rows, self.rows)

    @property
    def computes(self) -> bool:
        """Whether RDKit computes anything beyond the graphs, which takes most of the time."""
        return bool(self.computed) or self.conformers is not None

    @property
    def reads_coordinates(self) -> bool:
        """Whether the table gives coordinates."""
        return self.conformers is not None and self.conformers.kind == "given"

    def place(self, row: int) -> tuple[str, int]:
        """Return the file in which a row of the table stands, and its number inside that file."""
        if not self.files:
            return self.source, row
        for file in self.files:
            if row < file.rows:
                return file.name, row
            row -= file.rows
        raise IndexError(f"{self.source} has no such row")

    def row_words(self, row: int) -> str:
        """Return where a row stands, for messages: the file is named where there are several."""
        name, inside = self.place(row)
        return f"row {inside} of {name}" if self.files else f"row {row}"

    def of_level(self, level: Level) -> list[StoredColumn]:
        """Return the number columns of one level, in the order of the table."""
        return [column for column in self.columns if column.level == level and not column.is_text]

    def stored_as(self, storage: LabelStorage) -> list[StoredColumn]:
        """Return the number columns of molecules that are kept in one way, in their order there."""
        return [column for column in self.of_level("graph") if column.storage == storage]

    @property
    def has_ranks(self) -> bool:
        """Whether atoms are ranked, because labels of atoms or bonds may meet others of theirs."""
        return any(column.level != "graph" for column in self.columns)

    @property
    def text_columns(self) -> list[StoredColumn]:
        """The text columns, in the order of ``text_code``."""
        return [column for column in self.columns if column.is_text]


class ArrayRecord(Section):
    """One array as it was in memory."""

    shape: tuple[int, ...]
    dtype: str
    sha256: str
    """SHA-256 of type, shape and values: equal for equal content, however it is compressed."""


class Coverage(Section):
    """How many labels a column has."""

    molecules: int
    """Molecules with at least one."""
    labels: int
    """Known values: of molecules, atoms, bonds or pairs of atoms."""
    missing: dict[str, int] = Field(default_factory=dict)
    """Of computed labels: reason -> molecules of which one or all are missing."""
    left_out: int = 0
    """Known values in lists that are not kept: of hydrogens that are no atoms of the graph."""


class SegmentRecord(Section):
    """One finished segment; written once, when all its files are durable."""

    segment: int
    """Number of the segment, from 0."""
    folder: str
    """Its zarr group, below the store."""
    first_row: int
    rows: int
    molecules: int
    atoms: int
    bonds: int
    failures: dict[str, int]
    """Reason -> rows that became no molecule."""
    coverage: dict[str, Coverage]
    """Labels by column, or by family of computed labels."""
    conformers: Coverage | None = None
    """Molecules and atoms with coordinates, where they were asked for."""
    num_by_getters: int
    """Molecules whose properties came through RDKit's getters; those of all others were decoded
    from its serialisation, which gives the same."""
    versions: dict[str, str]
    """Versions of the libraries that wrote it."""
    files: dict[str, FileRecord]
    """Files below ``folder``."""
    arrays: dict[str, ArrayRecord]
    """Arrays by name."""


class ManifestArray(Section):
    """One array over all segments."""

    bytes: int
    """Bytes on disk."""
    sha256: str
    """SHA-256 of the segments' digests in order."""


class Manifest(Section):
    """The whole store; written last. What it does not name does not exist."""

    format: Literal["graphium-store"] = "graphium-store"
    format_version: int = FORMAT_VERSION
    plan: Plan
    segments: tuple[SegmentRecord, ...]
    files: dict[str, FileRecord]
    """Files of the store that belong to no segment."""
    molecules: int
    atoms: int
    bonds: int
    failures: dict[str, int]
    coverage: dict[str, Coverage]
    conformers: Coverage | None = None
    arrays: dict[str, ManifestArray]
    sha256: str = Field(default="")
    """SHA-256 of the canonical JSON of everything else here."""

    @property
    def content(self) -> str:
        """Digest of all arrays: equal for equal content, whoever wrote it."""
        return json_sha256({name: array.sha256 for name, array in self.arrays.items()})


def describe_errors(error: ValidationError) -> str:
    """Return the first mistake of a JSON file in one line."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
