"""From stored properties of atoms and bonds to the features that a network reads.

A store keeps each distinct atom and bond once, as a row of small integers (``properties.py``); the
features below are computed for those few rows only. ``ATOM_FEATURES`` and ``BOND_FEATURES`` are the
manual: what each name means, its columns, its unit and its scale.

One-hots have a last column "other" for every value that is not listed. Physical constants are
centred on carbon, so that carbon reads 0; an element whose constant is not known (and the dummy
atom) reads 0 too, never NaN.

Names and widths follow Graphium 2.4.7 (features/featurizer.py). Made right here: bond counts (there
each equals the degree), and phase and type (there the order of columns changes from run to run).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.config.features import AtomFeature, BondFeature
from graphium.graphs import elements
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES

Columns = Mapping[str, NDArray[np.int16]]
"""The property table by column name, each [V]."""
Compute = Callable[[Columns], NDArray[Any]]
"""Columns to a feature's values, [V] or [V, width]."""

ELEMENTS = (
    "C", "N", "O", "S", "F", "Si", "P", "Cl", "Br", "Mg", "Na", "Ca", "Fe", "As", "Al", "I", "B",
    "V", "K", "Tl", "Yb", "Sb", "Sn", "Ag", "Pd", "Co", "Se", "Ti", "Zn", "H", "Li", "Ge", "Cu",
    "Au", "Ni", "Cd", "In", "Mn", "Zr", "Cr", "Pt", "Hg", "Pb",
)  # fmt: skip
"""Elements with a column of their own in ``atomic-number``."""

_RING_SIZES = range(3, 9)
_P_ORBITALS = np.array([0, 0, 1, 2, 3, 2, 3, 3, 0], np.int16)
"""By RDKit's number of the hybridization."""
_BOND_ORDER = np.array(
    [0, 1, 2, 3, 4, 5, 6, 1.5, 2.5, 3.5, 4.5, 5.5, 1.5, 0, 0, 0, 1, 1, 1, 1, 0, 0], np.float32
)
"""By RDKit's number of the bond type."""
_CONFIGURATION = np.array([0, 1, -1, 1, -1], np.int16)
"""By ``cip_code``: none, R, S, r, s."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One named feature: its columns and how they follow from stored properties."""

    columns: tuple[str, ...]
    """Meaning of each column."""
    unit: str
    """Unit and scale of the numbers."""
    compute: Compute
    """Property columns to [V] or [V, len(columns)]."""

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.columns)


def atom_features(table: NDArray[np.int16], names: Sequence[AtomFeature]) -> NDArray[np.float32]:
    """Return the features of V distinct atoms.

    Args:
        table: [V, len(ATOM_PROPERTIES)] as in ``MolBlock.atom_table``.
        names: Features, concatenated in this order.

    Returns:
        [V, atom_width(names)], finite everywhere.
    """
    return _concatenate(table, ATOM_PROPERTIES, [ATOM_FEATURES[name] for name in names])


def bond_features(table: NDArray[np.int16], names: Sequence[BondFeature]) -> NDArray[np.float32]:
    """Return the features of W distinct bonds.

    Args:
        table: [W, len(BOND_PROPERTIES)] as in ``MolBlock.bond_table``.
        names: Features, concatenated in this order; those of ``CONFORMER_BOND_FEATURES`` belong to
            single bonds, and are left out.

    Returns:
        [W, bond_width(names)], finite everywhere.
    """
    return _concatenate(table, BOND_PROPERTIES, _of_kinds(names))


def atom_width(names: Sequence[AtomFeature]) -> int:
    """Return the number of columns that these atom features have together."""
    return sum(ATOM_FEATURES[name].width for name in names)


def bond_width(names: Sequence[BondFeature]) -> int:
    """Return the number of columns that these features of distinct bonds have together."""
    return sum(feature.width for feature in _of_kinds(names))


def _of_kinds(names: Sequence[BondFeature]) -> list[Feature]:
    return [BOND_FEATURES[name] for name in names if name not in CONFORMER_BOND_FEATURES]


def _concatenate(
    table: NDArray[np.int16], properties: Sequence[str], features: Sequence[Feature]
) -> NDArray[np.float32]:
    columns = {name: table[:, position] for position, name in enumerate(properties)}
    out = np.empty((len(table), sum(feature.width for feature in features)), np.float32)
    start = 0
    for feature in features:
        values = feature.compute(columns).reshape(len(table), feature.width)
        out[:, start : start + feature.width] = values
        start += feature.width
    return out


def _one_hot(source: str | Compute, options: Mapping[str, int]) -> Feature:
    """Return a feature with a column for each value of ``options`` and one for all others."""
    values = np.array(list(options.values()), np.int16)

    def compute(columns: Columns) -> NDArray[np.bool_]:
        given = columns[source] if isinstance(source, str) else source(columns)
        hot = given[:, None] == values
        return np.column_stack([hot, ~hot.any(axis=1)])

    return Feature((*options, "other"), "0 or 1", compute)


def _number(source: str | Compute, name: str, unit: str, center: int = 0) -> Feature:
    """Return one number, minus ``center``."""
    if isinstance(source, str):
        return Feature((name,), unit, lambda columns: columns[source] - center)
    return Feature((name,), unit, lambda columns: source(columns) - center)


def _constant(name: str, values: NDArray[np.float32], scale: float, unit: str) -> Feature:
    """Return a constant of the element, minus carbon's, divided by ``scale``; 0 when unknown."""
    centred = np.where(values == 0, 0, (values - values[elements.NUMBER["C"]]) / scale)
    shown = unit if scale == 1 else f"{scale:g} {unit}"
    return Feature(
        (name,),
        f"{shown}; carbon reads 0, unknown reads 0",
        lambda columns: centred[columns["atomic_number"]],
    )


def _by_code(values: NDArray[Any], code: NDArray[np.int16]) -> NDArray[Any]:
    """Return the value of each code, and the first one for a code that RDKit may add one day."""
    found: NDArray[Any] = values[np.where((code >= 0) & (code < len(values)), code, 0)]
    return found


def _of_element(values: NDArray[np.int16]) -> Compute:
    return lambda columns: values[columns["atomic_number"]]


def _upto(last: int) -> dict[str, int]:
    return {str(value): value for value in range(last + 1)}


def _named(names: Sequence[str]) -> dict[str, int]:
    return {name: position for position, name in enumerate(names)}


def _total_valence(columns: Columns) -> NDArray[np.int16]:
    return columns["explicit_valence"] + columns["implicit_valence"]


def _num_hydrogens(columns: Columns) -> NDArray[np.int16]:
    return columns["explicit_hydrogens"] + columns["implicit_hydrogens"]


def _group(columns: Columns) -> NDArray[np.int16]:
    """Return the group, 19 for the elements between groups 3 and 4, -1 for the dummy atom."""
    number = columns["atomic_number"]
    group = elements.GROUP[number]
    return np.where(number == 0, -1, np.where(group == 0, 19, group)).astype(np.int16)


def _ring_sizes(columns: Columns) -> NDArray[np.bool_]:
    bits = columns["ring_sizes"][:, None] >> np.arange(len(_RING_SIZES), dtype=np.int16) & 1
    return np.column_stack([bits == 1, columns["max_ring"] > _RING_SIZES[-1]])


def _isotope(columns: Columns) -> NDArray[np.float32]:
    isotope = columns["isotope"].astype(np.float32)
    return np.where(isotope == 0, 0, isotope - elements.MASS[columns["atomic_number"]])


def _estimated_length(columns: Columns) -> NDArray[np.float32]:
    """Return the sum of the atoms' radii for the bond's order.

    Aromatic bonds lie half way between single and double; every type beyond triple counts as
    triple up to sextuple, and as single otherwise (dative, ionic, zero order).
    """
    begin, end = columns["begin_atomic_number"], columns["end_atomic_number"]
    single, double, triple = elements.BOND_RADIUS[:, begin] + elements.BOND_RADIUS[:, end]
    kind = columns["bond_type"]
    return np.select(
        [kind == 12, kind == 2, (kind >= 3) & (kind <= 6)],
        [(single + double) / 2, double, triple],
        single,
    )


ATOM_FEATURES: Mapping[AtomFeature, Feature] = {
    "atomic-number": _one_hot(
        "atomic_number", {symbol: elements.NUMBER[symbol] for symbol in ELEMENTS}
    ),
    "group": _one_hot(_group, {str(group): group for group in range(1, 19)} | {"none": 19}),
    "period": _one_hot(_of_element(elements.PERIOD), {str(row): row for row in range(1, 8)}),
    "degree": _one_hot("degree", _upto(4)),
    "total-valence": _one_hot(_total_valence, _upto(6)),
    "implicit-valence": _one_hot("implicit_valence", _upto(6)),
    "hybridization": _one_hot(
        "hybridization",
        _named(["unspecified", "s", "sp", "sp2", "sp3", "sp2d", "sp3d", "sp3d2"]),
    ),
    "chirality": _one_hot("cip_code", {"R": 1, "S": 2}),
    "phase": _one_hot(_of_element(elements.PHASE), _named(elements.PHASES)),
    "type": _one_hot(_of_element(elements.TYPE), _named(elements.TYPES)),
    "num-hydrogens": _one_hot(_num_hydrogens, _upto(4)),
    "ring-sizes": Feature(
        (*map(str, _RING_SIZES), "larger"),
        "0 or 1 each: the atom is in a ring of so many atoms",
        _ring_sizes,
    ),
    "formal-charge": _number("formal_charge", "charge", "elementary charges"),
    "radical-electron": _number("radical_electrons", "unpaired electrons", "count"),
    "aromatic": _number("is_aromatic", "aromatic", "0 or 1"),
    "in-ring": _number(lambda columns: columns["num_rings"] > 0, "in a ring", "0 or 1"),
    "min-ring": _number("min_ring", "smallest ring", "atoms; 0 outside rings"),
    "max-ring": _number("max_ring", "largest ring", "atoms; 0 outside rings"),
    "num-ring": _number("num_rings", "rings through the atom", "count"),
    "mass": _constant("standard atomic weight", elements.MASS, 10, "Da"),
    "vdw-radius": _constant("van der Waals radius", elements.VDW_RADIUS, 1, "angstrom"),
    "covalent-radius": _constant("covalent radius", elements.COVALENT_RADIUS, 1, "angstrom"),
    "electronegativity": _constant(
        "electronegativity", elements.ELECTRONEGATIVITY, 1, "Pauling units"
    ),
    "first-ionization": _constant("first ionisation energy", elements.IONIZATION_ENERGY, 5, "eV"),
    "melting-point": _constant("melting point", elements.MELTING_POINT, 1000, "K"),
    "metal": _number(_of_element(elements.METAL), "metal", "2 metal, 1 metalloid, 0 other"),
    "is-carbon": _number(lambda columns: columns["atomic_number"] == 6, "carbon", "0 or 1"),
    "single-bond": _number("num_single_bonds", "single bonds", "count"),
    "double-bond": _number("num_double_bonds", "double bonds", "count"),
    "triple-bond": _number("num_triple_bonds", "triple bonds", "count"),
    "aromatic-bond": _number("num_aromatic_bonds", "aromatic bonds", "count"),
    "isotope": _number(
        _isotope, "isotope label", "mass number minus standard weight, Da; 0 when not labelled"
    ),
    "degree-float": _number("degree", "bonds", "count minus 2", center=2),
    "total-valence-float": _number(_total_valence, "total valence", "minus 4", center=4),
    "implicit-valence-float": _number("implicit_valence", "implicit hydrogens", "count"),
    "atomic-number-float": Feature(
        ("atomic number",),
        "charge of the nucleus minus 6, divided by 5; carbon reads 0",
        lambda columns: (columns["atomic_number"] - 6) / 5,
    ),
    "group-float": _number(_group, "group of the periodic table", "minus carbon's 14", center=14),
    "period-float": _number(
        _of_element(elements.PERIOD), "period of the periodic table", "minus carbon's 2", center=2
    ),
    "hybridization-float": Feature(
        ("p orbitals of the hybrid",),
        "sp 1, sp2 2, sp3 3 and its kind with d orbitals, minus 3; others -3",
        lambda columns: _by_code(_P_ORBITALS, columns["hybridization"]) - 3,
    ),
    "chirality-float": Feature(
        ("configuration",),
        "1 R, -1 S, 0 no stereo centre",
        lambda columns: _by_code(_CONFIGURATION, columns["cip_code"]),
    ),
}
"""Every atom feature by name. Bonds and degree count the bonds between atoms of the graph, that is
without implicit hydrogens; valences count all."""

BOND_FEATURES: Mapping[BondFeature, Feature] = {
    "bond-type": _one_hot("bond_type", {"single": 1, "double": 2, "triple": 3, "aromatic": 12}),
    "stereo": _one_hot("stereo", _named(["none", "any", "Z", "E", "cis", "trans"])),
    "in-ring": _number("is_in_ring", "in a ring", "0 or 1"),
    "conjugated": _number("is_conjugated", "conjugated", "0 or 1"),
    "estimated-bond-length": _number(
        _estimated_length, "sum of the radii for the bond's order", "angstrom"
    ),
    "bond-order": Feature(
        ("bond order",),
        "shared electron pairs; aromatic 1.5, dative 1, without a covalent pair 0",
        lambda columns: _by_code(_BOND_ORDER, columns["bond_type"]),
    ),
}
"""Every feature of distinct bonds by name."""

CONFORMER_BOND_FEATURES: Mapping[BondFeature, str] = {
    "conformer-bond-length": "distance of the bond's ends in the conformer, angstrom; 0 without",
}
"""Features of single bonds, which ``encodings/conformer.py`` computes, with their meaning."""
