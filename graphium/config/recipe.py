"""What the invented tables of a mix look like: ``generate.yaml`` beside its ``mix.yaml``."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from graphium.config.base import Section
from graphium.config.single_file import read_section
from graphium.errors import FieldError

RECIPE = "generate.yaml"
"""Name of the file in the folder of a mix."""

Share = Annotated[float, Field(ge=0, le=1)]


class Columns(Section):
    """Columns of one kind."""

    names: list[str] | None = None
    """Names of the columns; or..."""
    prefix: str | None = None
    """...what all names begin with, a number from 1 following,..."""
    count: int | None = Field(default=None, ge=1)
    """...and how many there are."""
    known: Share = 1.0
    """Share of the cells that have a label."""

    @property
    def columns(self) -> list[str]:
        """Names of all columns."""
        if self.names is not None:
            return self.names
        count = self.count or 0
        return [f"{self.prefix}{k:0{len(str(count))}d}" for k in range(1, count + 1)]

    @model_validator(mode="after")
    def _are_named_one_way(self) -> "Columns":
        numbered = self.prefix is not None and self.count is not None
        if (self.names is None) != numbered or (self.names and (self.prefix or self.count)):
            raise FieldError(("names",), "give either names, or prefix and count")
        return self


class BinaryColumns(Columns):
    """Columns of 0 and 1."""

    kind: Literal["binary"] = "binary"
    positive: Share
    """Share of ones among the labels."""


class ClassColumns(Columns):
    """Columns of ordered classes."""

    kind: Literal["class"] = "class"
    shares: list[Annotated[float, Field(gt=0)]] = Field(min_length=2)
    """Share of each class, 0 first."""

    @model_validator(mode="after")
    def _shares_are_whole(self) -> "ClassColumns":
        if abs(sum(self.shares) - 1) > 1e-6:
            raise FieldError(("shares",), f"must sum to 1, not {sum(self.shares):g}")
        return self


class ScaledColumns(Columns):
    """Columns of numbers."""

    mean: float = 0.0
    """About the mean of each column..."""
    std: float = Field(default=1.0, gt=0)
    """...and about its standard deviation."""


class NumberColumns(ScaledColumns):
    """Columns of numbers, one for each molecule."""

    kind: Literal["number"] = "number"


class AtomColumns(ScaledColumns):
    """Columns of lists, one number for each atom; the table's SMILES must number the atoms."""

    kind: Literal["atoms"] = "atoms"


AnyColumns = Annotated[
    BinaryColumns | ClassColumns | NumberColumns | AtomColumns, Field(discriminator="kind")
]


class RandomParts(Section):
    """The file that says in which part each row is."""

    file: str
    """Its name: JSON, or parquet."""
    key: str | None = None
    """Name inside a JSON file that has the parts of several tables."""
    shares: dict[str, Annotated[float, Field(gt=0)]]
    """List -> its share of the rows, 1 in all; rows are dealt at random."""

    @model_validator(mode="after")
    def _shares_are_whole(self) -> "RandomParts":
        if abs(sum(self.shares.values()) - 1) > 1e-6:
            raise FieldError(("shares",), f"must sum to 1, not {sum(self.shares.values()):g}")
        if not self.file.endswith((".json", ".parquet")):
            raise FieldError(("file",), f"must end in .json or .parquet, got '{self.file}'")
        return self


class GeneratedTable(Section):
    """One table."""

    file: str
    """Its name, .csv.gz or .parquet; ``*`` stands for the number of each of several files."""
    files: int = Field(default=1, ge=1)
    """How many files hold its rows."""
    rows: int = Field(ge=1)
    """Rows of the real table: never are there more."""
    smiles: str = "smiles"
    """Name of the SMILES column."""
    atom_maps: bool = False
    """Number the atoms of each SMILES from 0 in a random order, which atom labels follow."""
    texts: list[str] = []
    """Columns of text, such as names of compounds."""
    columns: list[AnyColumns] = Field(min_length=1)
    """All label columns, in order."""
    invented_names: bool = False
    """Whether names of columns are invented, too, because those of the real table are unknown."""
    parts: RandomParts
    """Which rows are for training, validation and test."""

    @model_validator(mode="after")
    def _can_be_written(self) -> "GeneratedTable":
        if not self.file.endswith((".csv.gz", ".parquet")):
            raise FieldError(("file",), f"must end in .csv.gz or .parquet, got '{self.file}'")
        if ("*" in self.file) != (self.files > 1):
            raise FieldError(("files",), "several files, and only those, have a * in their name")
        if any(isinstance(one, AtomColumns) for one in self.columns):
            if not self.atom_maps:
                raise FieldError(("atom_maps",), "labels of atoms need numbered atoms: true")
            if not self.file.endswith(".parquet"):
                raise FieldError(("file",), "labels of atoms need a .parquet file")
        taken = [self.smiles, *self.texts, *(name for one in self.columns for name in one.columns)]
        repeated = sorted({name for name in taken if taken.count(name) > 1})
        if repeated:
            raise FieldError(("columns",), f"several columns have the name '{repeated[0]}'")
        return self


class Recipe(Section):
    """All tables of a mix."""

    tables: dict[str, GeneratedTable] = Field(min_length=1)
    """Name of the dataset -> its table."""
    overlap: Share = 0.1
    """Share of a table's rows whose molecules the table before it has, too."""


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: Lists every mistake with its line.
    """
    return read_section(path, Recipe, "recipe")
