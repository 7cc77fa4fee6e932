"""Invented labels that look like labels and can be learned to some extent.

What is counted in the text of a SMILES (atoms, rings, elements) gives each molecule a few numbers,
and each column weighs them in its own, seeded way to a signal between -1 and 1. A label is its
column's mean plus signal plus noise; the signal moves the odds of a class up or down, by the same
amount on average, so that shares are, over all columns, those of the recipe.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphium.config.recipe import (
    AnyColumns,
    AtomColumns,
    BinaryColumns,
    ClassColumns,
    NumberColumns,
    ScaledColumns,
)

_COUNTED = ("[cnos]", "[1-9]", "[Nn]", "[Oo]", "=", r"F|Cl|Br|I|S", r"\(")
"""What is counted in a SMILES, as regular expressions."""
_TYPICAL, _SPREAD = 1.5, 0.7
"""About the mean and deviation of the logarithm of one more than such a count."""
_STRENGTH = 0.8
"""How far the signal moves odds, and a number in deviations."""

Floats = NDArray[np.float32]
Atoms = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ColumnMaker:
    """Makes the cells of L columns of one kind, block by block."""

    recipe: AnyColumns
    names: Sequence[str]
    weights: Floats
    """[F, L] of what is counted, or [119, L] signals of elements."""
    mean: Floats
    """[L] of numbers."""
    std: Floats
    """[L] of numbers."""

    @classmethod
    def draw(cls, recipe: AnyColumns, random: np.random.Generator) -> "ColumnMaker":
        """Draw what the columns have of their own.

        Args:
            recipe: The columns.
            random: Draws it.
        """
        names = recipe.columns
        shape = (119 if isinstance(recipe, AtomColumns) else len(_COUNTED), len(names))
        weights = random.standard_normal(shape, np.float32)
        mean, std = np.zeros(len(names), np.float32), np.ones(len(names), np.float32)
        if isinstance(recipe, ScaledColumns):
            std = (recipe.std * random.lognormal(0, 0.5, len(names))).astype(np.float32)
            mean = (recipe.mean + recipe.std * random.standard_normal(len(names))).astype(
                np.float32
            )
        return cls(recipe, names, weights, mean, std)

    def make(
        self, counts: Floats, atoms: Sequence[Atoms | None], random: np.random.Generator
    ) -> list[pa.Array]:
        """Return one array for each column.

        Args:
            counts: [R, F] of each molecule, as ``count_features`` returns them.
            atoms: Of each molecule its atomic numbers [N], where the recipe is of atoms; None
                where they are not known.
            random: Draws noise and gaps.
        """
        recipe = self.recipe
        if isinstance(recipe, AtomColumns):
            return self._lists(atoms, random)
        signal = np.tanh(counts @ self.weights / np.sqrt(len(self.weights)))
        match recipe:
            case BinaryColumns():
                drawn = random.random(signal.shape, np.float32)
                values = drawn < recipe.positive * (1 + _STRENGTH * signal)
                return self._masked(values.astype(np.float32), random)
            case ClassColumns():
                return self._masked(_classes(recipe.shares, signal, random), random)
            case NumberColumns():
                noise = random.standard_normal(signal.shape, np.float32)
                return self._masked(self._numbers(signal, noise), random)

    def _numbers(self, signal: Floats, noise: Floats) -> Floats:
        rest = np.float32(np.sqrt(1 - _STRENGTH**2))
        numbers: Floats = self.mean + self.std * (_STRENGTH * signal + rest * noise)
        return numbers

    def _masked(
        self, values: Floats | NDArray[np.int8], random: np.random.Generator
    ) -> list[pa.Array]:
        if self.recipe.known == 1:
            return [pa.array(column) for column in np.ascontiguousarray(values.T)]
        gaps = random.random(values.T.shape, np.float32) >= self.recipe.known
        return [
            pa.array(column, mask=mask)
            for column, mask in zip(np.ascontiguousarray(values.T), gaps, strict=True)
        ]

    def _lists(self, atoms: Sequence[Atoms | None], random: np.random.Generator) -> list[pa.Array]:
        known = random.random(len(atoms)) < self.recipe.known
        given = [
            numbers if is_known else None for numbers, is_known in zip(atoms, known, strict=True)
        ]
        sizes = np.array([0 if numbers is None else len(numbers) for numbers in given])
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        elements = np.concatenate(
            [np.zeros(0, np.int64), *(numbers for numbers in given if numbers is not None)]
        ).astype(np.int64)
        signal = np.tanh(self.weights[elements])
        noise = random.standard_normal(signal.shape, np.float32)
        values = np.ascontiguousarray(self._numbers(signal, noise).T)
        missing = pa.array([numbers is None for numbers in given])
        return [
            pa.ListArray.from_arrays(pa.array(offsets), pa.array(column), mask=missing)
            for column in values
        ]


def count_features(smiles: Sequence[str]) -> Floats:
    """Return [R, F] scaled logarithms of what is counted in each SMILES."""
    text = pa.array(smiles, pa.string())
    counts = [
        pc.count_substring_regex(text, pattern).to_numpy(zero_copy_only=False)
        for pattern in _COUNTED
    ]
    scaled: Floats = np.log1p(np.stack(counts, 1)).astype(np.float32)
    return (scaled - np.float32(_TYPICAL)) / np.float32(_SPREAD)


def _classes(
    shares: Sequence[float], signal: Floats, random: np.random.Generator
) -> NDArray[np.int8]:
    """Draw classes around the most frequent one: up where the signal is positive, else down."""
    main = int(np.argmax(shares))
    drawn = random.random(signal.shape, np.float32)
    below, above = 1 - _STRENGTH * signal, 1 + _STRENGTH * signal
    classes = np.full(signal.shape, main, np.int8)
    for reached in np.cumsum(shares[:main]):
        classes -= drawn < np.float32(reached) * below
    for reached in np.cumsum(shares[:main:-1]):
        classes += 1 - drawn <= np.float32(reached) * above
    return classes
