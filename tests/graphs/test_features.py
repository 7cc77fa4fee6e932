import os
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rdkit import Chem

from graphium.config.features import AtomFeature, BondFeature, FeaturesConfig
from graphium.graphs import elements
from graphium.graphs.features import (
    ATOM_FEATURES,
    BOND_FEATURES,
    CONFORMER_BOND_FEATURES,
    atom_features,
    atom_width,
    bond_features,
    bond_width,
)
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES

ATOM_NAMES = list(get_args(AtomFeature))
BOND_NAMES = list(get_args(BondFeature))
ONE_HOT = [
    "atomic-number", "group", "period", "degree", "total-valence", "implicit-valence",
    "hybridization", "chirality", "phase", "type", "num-hydrogens",
]  # fmt: skip


def atom(**properties):
    """Return a table of one atom: carbon, all other properties 0 unless given."""
    row = dict.fromkeys(ATOM_PROPERTIES, 0) | {"atomic_number": 6} | properties
    return np.array([[row[name] for name in ATOM_PROPERTIES]], np.int16)


def bond(**properties):
    row = dict.fromkeys(BOND_PROPERTIES, 0) | properties
    return np.array([[row[name] for name in BOND_PROPERTIES]], np.int16)


def value(name, **properties):
    return atom_features(atom(**properties), [name])[0]


def column(name, **properties):
    """Return the name of the one column that is hot."""
    (position,) = np.flatnonzero(value(name, **properties))
    return ATOM_FEATURES[name].columns[position]


def test_every_name_of_the_config_is_a_feature_and_the_other_way_round():
    assert set(ATOM_FEATURES) == set(ATOM_NAMES)
    assert {*BOND_FEATURES, *CONFORMER_BOND_FEATURES} == set(BOND_NAMES)
    assert not set(BOND_FEATURES) & set(CONFORMER_BOND_FEATURES)


def test_the_default_features_have_the_widths_of_the_paper():
    features = FeaturesConfig()
    assert atom_width(features.atoms) == 85
    assert bond_width(features.bonds) == 13


@pytest.mark.parametrize(
    ("name", "width"),
    [("atomic-number", 44), ("group", 20), ("period", 8), ("degree", 6), ("total-valence", 8),
     ("implicit-valence", 8), ("hybridization", 9), ("chirality", 3), ("phase", 5), ("type", 13)],
)  # fmt: skip
def test_one_hots_are_as_wide_as_upstream(name, width):
    assert atom_width([name]) == width


def test_features_stand_in_the_order_in_which_they_are_named():
    table = atom(formal_charge=-1, is_aromatic=1, degree=3)
    names = ["aromatic", "degree", "formal-charge"]
    expected = np.concatenate([atom_features(table, [name]) for name in names], axis=1)
    np.testing.assert_array_equal(atom_features(table, names), expected)


def _small_integers(width):
    return arrays(
        np.int16, st.tuples(st.integers(0, 5), st.just(width)), elements=st.integers(0, 118)
    )


@given(_small_integers(len(ATOM_PROPERTIES)))
@settings(max_examples=50, deadline=None)
def test_any_atom_has_finite_features_and_exactly_one_hot_column(table):
    everything = atom_features(table, ATOM_NAMES)
    assert everything.dtype == np.float32
    assert everything.shape == (len(table), atom_width(ATOM_NAMES))
    assert np.isfinite(everything).all()
    for name in ONE_HOT:
        np.testing.assert_array_equal(atom_features(table, [name]).sum(axis=1), 1)


@given(_small_integers(len(BOND_PROPERTIES)))
@settings(max_examples=50, deadline=None)
def test_any_bond_has_finite_features_and_exactly_one_type_and_stereo(table):
    assert np.isfinite(bond_features(table, BOND_NAMES)).all()
    np.testing.assert_array_equal(bond_features(table, ["bond-type"]).sum(axis=1), 1)
    np.testing.assert_array_equal(bond_features(table, ["stereo"]).sum(axis=1), 1)


def test_every_element_and_the_dummy_atom_have_finite_features():
    table = np.concatenate([atom(atomic_number=number) for number in range(119)])
    assert np.isfinite(atom_features(table, ATOM_NAMES)).all()


def test_values_without_a_column_fall_into_other():
    assert column("atomic-number", atomic_number=6) == "C"
    assert column("atomic-number", atomic_number=92) == "other"
    assert column("degree", degree=4) == "4"
    assert column("degree", degree=7) == "other"
    assert column("group", atomic_number=0) == "other"
    assert column("group", atomic_number=58) == "none"
    assert column("group", atomic_number=17) == "17"
    assert column("phase", atomic_number=0) == "other"
    assert column("chirality", cip_code=1) == "R"
    assert column("chirality") == "other"


def test_counts_of_bond_orders_are_not_the_degree():
    nitrile = {"degree": 2, "num_single_bonds": 1, "num_triple_bonds": 1}
    names = ["single-bond", "double-bond", "triple-bond", "aromatic-bond"]
    assert atom_features(atom(**nitrile), names).tolist() == [[1, 0, 1, 0]]


def test_columns_do_not_depend_on_the_hash_seed():
    program = (
        "from graphium.graphs.features import ATOM_FEATURES, BOND_FEATURES\n"
        "print([f.columns for t in (ATOM_FEATURES, BOND_FEATURES) for f in t.values()])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_constants_are_zero_for_carbon_and_where_nothing_is_known():
    names = ["mass", "vdw-radius", "covalent-radius", "electronegativity", "first-ionization",
             "melting-point"]  # fmt: skip
    assert not atom_features(atom(atomic_number=6), names).any()
    assert value("electronegativity", atomic_number=2) == 0
    assert value("melting-point", atomic_number=2) == 0
    assert value("electronegativity", atomic_number=8) == pytest.approx(3.44 - 2.55)
    assert value("mass", atomic_number=17) == pytest.approx((35.453 - 12.011) / 10, rel=1e-5)


def test_isotope_is_zero_unless_labelled():
    assert value("isotope") == 0
    assert value("isotope", isotope=13) == pytest.approx(13 - 12.011, rel=1e-5)


def test_ring_sizes_may_be_several():
    hot = value("ring-sizes", ring_sizes=0b1010, max_ring=6)
    assert [
        name for name, flag in zip(ATOM_FEATURES["ring-sizes"].columns, hot, strict=True) if flag
    ] == ["4", "6"]
    assert value("ring-sizes", max_ring=20)[-1] == 1


def _length(kind, first=6, second=6):
    table = bond(bond_type=kind, begin_atomic_number=first, end_atomic_number=second)
    return float(bond_features(table, ["estimated-bond-length"])[0, 0])


def test_estimated_bond_lengths_are_close_to_measured_ones():
    measured = [(1, 6, 6, 1.54), (2, 6, 6, 1.34), (3, 6, 6, 1.20), (12, 6, 6, 1.40),
                (1, 6, 8, 1.43), (2, 6, 8, 1.22), (3, 6, 7, 1.16), (1, 6, 17, 1.77)]  # fmt: skip
    for kind, first, second, length in measured:
        assert _length(kind, first, second) == pytest.approx(length, abs=0.06)


def test_unusual_bonds_have_a_length_too():
    assert _length(4) == _length(3)
    assert _length(17) == _length(21) == _length(1)


def test_masses_and_radii_agree_with_rdkit():
    table = Chem.GetPeriodicTable()
    for number in range(1, 119):
        assert elements.SYMBOL[number] == table.GetElementSymbol(number)
        assert elements.MASS[number] == pytest.approx(table.GetAtomicWeight(number), abs=2e-3)
        assert elements.COVALENT_RADIUS[number] == pytest.approx(table.GetRcovalent(number))
        assert elements.VDW_RADIUS[number] == pytest.approx(table.GetRvdw(number))
        assert elements.PERIOD[number] == table.GetRow(number)


@pytest.mark.parametrize(
    ("symbol", "group", "period", "phase", "family", "metal"),
    [("H", 1, 1, "gas", "nonmetal", 0), ("Na", 1, 3, "solid", "alkali metal", 2),
     ("Br", 17, 4, "liquid", "halogen", 0), ("Hg", 12, 6, "liquid", "transition metal", 2),
     ("Si", 14, 3, "solid", "metalloid", 1), ("Xe", 18, 5, "gas", "noble gas", 0),
     ("Ce", 0, 6, "solid", "lanthanide", 2), ("Lu", 3, 6, "solid", "lanthanide", 2),
     ("U", 0, 7, "solid", "actinide", 2), ("Tc", 7, 5, "synthetic", "transition metal", 2),
     ("Pu", 0, 7, "synthetic", "actinide", 2), ("Sn", 14, 5, "solid", "post-transition metal", 2),
     ("Rf", 4, 7, "synthetic", "transactinide", 2), ("Og", 18, 7, "synthetic", "unknown", 0)],
)  # fmt: skip
def test_elements_stand_where_the_periodic_table_has_them(
    symbol, group, period, phase, family, metal
):
    number = elements.NUMBER[symbol]
    assert elements.GROUP[number] == group
    assert elements.PERIOD[number] == period
    assert elements.PHASES[elements.PHASE[number]] == phase
    assert elements.TYPES[elements.TYPE[number]] == family
    assert elements.METAL[number] == metal


@pytest.mark.parametrize(
    ("symbol", "electronegativity", "ionization", "melting"),
    [("H", 2.20, 13.598, 14.0), ("F", 3.98, 17.423, 53.5), ("Cs", 0.79, 3.894, 301.7),
     ("W", 1.70, 7.864, 3687.2), ("P", 2.19, 10.487, 317.3), ("Pt", 2.20, 8.959, 2041.4)],
)  # fmt: skip
def test_physical_constants_are_the_tabulated_ones(symbol, electronegativity, ionization, melting):
    number = elements.NUMBER[symbol]
    assert elements.ELECTRONEGATIVITY[number] == pytest.approx(electronegativity, abs=0.01)
    assert elements.IONIZATION_ENERGY[number] == pytest.approx(ionization, abs=0.002)
    assert elements.MELTING_POINT[number] == pytest.approx(melting, abs=0.2)


def test_floats_beside_the_one_hots_read_zero_for_a_tetrahedral_carbon():
    carbon = {"hybridization": int(Chem.HybridizationType.SP3), "cip_code": 0}
    for name in (
        "atomic-number-float", "group-float", "period-float", "hybridization-float",
        "chirality-float",
    ):  # fmt: skip
        assert value(name, **carbon) == 0
    assert value("atomic-number-float", atomic_number=16) == 2
    assert value("group-float", atomic_number=8) == 2
    assert value("period-float", atomic_number=16) == 1
    assert value("hybridization-float", hybridization=int(Chem.HybridizationType.SP)) == -2


def test_mirror_images_have_opposite_chirality():
    right, left = value("chirality-float", cip_code=1), value("chirality-float", cip_code=2)
    assert right == -left != 0


@pytest.mark.parametrize("name", ["SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE", "AROMATIC", "DATIVE"])
def test_bond_orders_are_those_of_rdkit(name):
    kind = Chem.BondType.names[name]
    mol = Chem.RWMol(Chem.MolFromSmiles("CC"))
    mol.GetBondWithIdx(0).SetBondType(kind)
    order = bond_features(bond(bond_type=int(kind)), ["bond-order"])[0, 0]
    assert order == mol.GetBondWithIdx(0).GetBondTypeAsDouble()


def test_every_bond_type_has_an_order():
    for kind in Chem.BondType.names.values():
        assert np.isfinite(bond_features(bond(bond_type=int(kind)), ["bond-order"])).all()
