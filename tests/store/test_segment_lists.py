import json

import numpy as np
import pyarrow as pa
import pytest

from graphium.errors import DataError
from graphium.graphs.mol_block import RowStatus
from graphium.molecules.featurize import featurize_chunk
from graphium.store.records import Plan, StoredColumn
from graphium.store.segment_lists import arrange_lists

NAN = np.nan


def arrange(rows, *, level="node", hydrogens="implicit", atom_order=None):
    """Bring the lists of one column, given beside SMILES, to the order of the graphs."""
    plan = Plan(
        source="lists.csv",
        source_sha256="",
        smiles="smiles",
        rows=len(rows),
        segment_rows=len(rows),
        columns=(StoredColumn(name="x", level=level, kind="list"),),
        skipped={},
        infinite={},
        computed=(),
        hydrogens=hydrogens,
        atom_order=atom_order,
        versions={},
    )
    smiles = [text for text, _ in rows]
    cells = [cell if isinstance(cell, str) else json.dumps(cell) for _, cell in rows]
    chunk = featurize_chunk(smiles, hydrogens)
    assert (chunk.status == RowStatus.OK).all()
    table = pa.table({"smiles": smiles, "x": cells})
    return arrange_lists(plan, table, np.arange(len(rows)), smiles, chunk.block, first_row=40)


def values(rows, **options):
    lists = arrange(rows, **options)
    assert not lists.notes
    return [None if cell is None else cell.tolist() for cell in lists.cells["x"]]


def test_a_list_over_the_graph_keeps_its_order():
    lists = arrange([("[H]CO", [1, 2])])

    assert lists.cells["x"][0].tolist() == [1, 2]
    assert lists.left_out["x"].tolist() == [0]


def test_labels_of_folded_hydrogens_are_left_out_and_counted():
    lists = arrange([("[H]C([H])O[H]", [9, 1, 9, 2, 9]), ("CO", [3, 4])])

    assert [cell.tolist() for cell in lists.cells["x"]] == [[1, 2], [3, 4]]
    assert lists.left_out["x"].tolist() == [3, 0]


def test_missing_labels_of_folded_hydrogens_are_not_counted():
    assert arrange([("[H]C([H])O", [None, 1, 9, 2])]).left_out["x"].tolist() == [1]


def test_labels_of_bonds_to_folded_hydrogens_are_left_out():
    lists = arrange([("[H]C([H])O[H]", [9, 9, 1, 9]), ("CCO", [2, 3])], level="edge")

    assert [cell.tolist() for cell in lists.cells["x"]] == [[1], [2, 3]]
    assert lists.left_out["x"].tolist() == [3, 0]


def test_isotopes_that_stay_atoms_keep_their_labels():
    assert values([("[2H]C([H])O", [5, 1, 9, 2])]) == [[5, 1, 2]]


def test_written_hydrogens_keep_their_labels():
    assert values([("[H]CO", [5, 1, 2])], hydrogens="written") == [[5, 1, 2]]


def test_added_hydrogens_have_no_labels():
    oxygen, water = values([("[H]O", [5, 1]), ("O", [7])], hydrogens="explicit")

    np.testing.assert_array_equal(oxygen, [5, 1, NAN])
    np.testing.assert_array_equal(water, [7, NAN, NAN])


def test_a_list_over_all_atoms_of_an_explicit_graph_is_taken_as_it_is():
    assert values([("O", [7, 8, 9])], hydrogens="explicit") == [[7, 8, 9]]


@pytest.mark.parametrize(
    ("level", "cell", "note"),
    [
        ("node", [1, 2, 3], "'x' has 3 numbers for 2 atoms (4 as written)"),
        ("edge", [1, 2], "'x' has 2 numbers for 1 bonds (3 as written)"),
        ("node", [1, None, 3], "'x' has 3 numbers for 2 atoms (4 as written)"),
        ("edge", [None, 2], "'x' has 2 numbers for 1 bonds (3 as written)"),
    ],
)
def test_a_length_that_fits_neither_is_noted(level, cell, note):
    assert arrange([("C", []), ("[H]C([H])O", cell)], level=level).notes == {1: note}


def test_lists_follow_atom_maps_from_0_or_1():
    rows = [("[CH3:2][OH:1]", [1, 2]), ("[CH3:1][OH:0]", [3, 4])]

    assert values(rows, atom_order="map") == [[2, 1], [4, 3]]


def test_lists_with_hydrogens_follow_the_atom_maps():
    rows = [("[H:3][C:2]([H:4])([H:5])[O:1][H:6]", [1, 2, 3, 4, 5, 6])]

    assert values(rows, atom_order="map") == [[2, 1]]
    assert values(rows, atom_order="map", hydrogens="written") == [[3, 2, 4, 5, 1, 6]]
    assert values(rows, atom_order="map", hydrogens="explicit") == [[3, 2, 4, 5, 1, 6]]


def test_maps_of_the_graph_alone_suffice_for_a_list_over_it():
    assert values([("[CH2:2]([H])[OH:1]", [1, 2])], atom_order="map") == [[2, 1]]


@pytest.mark.parametrize(
    "smiles", ["CO", "[CH3:1]O", "[CH3:1][OH:1]", "[CH3:2][OH:3]", "[CH3:1][OH:3]", "[CH3:0]O"]
)
def test_maps_that_are_no_order_are_noted(smiles):
    lists = arrange([(smiles, [1, 2])], atom_order="map")

    assert "atom maps" in lists.notes[0]
    assert lists.cells["x"] == [None]


def test_a_single_atom_and_a_row_without_labels_need_no_maps():
    rows = [("C", [7]), ("CO", ""), ("[CH3:2][OH:1]", [1, 2])]

    assert values(rows, atom_order="map") == [[7], None, [2, 1]]


def test_maps_in_another_order_are_refused_unless_the_option_says_which_counts():
    rows = [("CO", [1, 2]), ("[CH3:2][OH:1]", [3, 4])]

    with pytest.raises(DataError, match=r"Row 41 of lists\.csv: the atom maps") as refusal:
        arrange(rows)
    assert "atom_order: map" in str(refusal.value)
    assert "atom_order: smiles" in str(refusal.value)
    assert values(rows, atom_order="smiles") == [[1, 2], [3, 4]]


def test_maps_of_written_hydrogens_in_another_order_are_refused():
    with pytest.raises(DataError, match="atom maps"):
        arrange([("[C:1]([H:3])([H:4])([H:5])[O:2][H:6]", [1, 2, 3, 4, 5, 6])])


@pytest.mark.parametrize(
    "smiles", ["[CH3:1][OH:2]", "[CH3:5]O", "[CH3:5][OH:9]", "[C:1]([H:3])[O:2]", "CO"]
)
def test_maps_that_agree_with_the_text_or_mark_some_atoms_are_no_reason_to_ask(smiles):
    assert values([(smiles, [1, 2])]) == [[1, 2]]


def test_bond_labels_do_not_follow_atom_maps():
    rows = [("[CH3:3][CH2:1][OH:2]", [1, 2])]

    assert values(rows, level="edge") == [[1, 2]]
    assert values(rows, level="edge", atom_order="map") == [[1, 2]]


@pytest.mark.parametrize(
    "cell", [[1, 2, 3, 4, 5, 6], [[0, 1, 2, 3], [1, 0, 4, 5], [2, 4, 0, 6], [3, 5, 6, 0]]]
)
def test_pairs_with_a_folded_hydrogen_are_left_out(cell):
    lists = arrange([("[H]COC", cell)], level="nodepair")

    assert lists.cells["x"][0].tolist() == [4, 5, 6]
    assert lists.left_out["x"].tolist() == [3]


def test_pairs_follow_the_atom_maps():
    rows = [("[CH3:3][CH2:1][OH:2]", [12, 13, 23])]

    assert values(rows, level="nodepair", atom_order="map") == [[13, 23, 12]]
    with pytest.raises(DataError, match="atom_order"):
        arrange(rows, level="nodepair")


def test_pairs_of_added_hydrogens_have_no_labels():
    (water,) = values([("O[H]", [5])], level="nodepair", hydrogens="explicit")

    np.testing.assert_array_equal(water, [5, NAN, NAN])


def test_a_list_that_may_be_pairs_as_written_or_a_matrix_of_the_graph_is_noted():
    text = "[H]C([H])([H])CCCCC"  # 36: 9 written atoms in pairs, 6 atoms squared

    assert (
        "36 numbers, which fit 6 atoms and 9 written ones"
        in (arrange([(text, [1] * 36)], level="nodepair").notes[0])
    )
    assert len(values([(text, [[1] * 6] * 6)], level="nodepair")[0]) == 15


def test_hostile_lists_are_labels_or_missing():
    rows = [
        ("CO", "[NaN, 1]"),
        ("CO", "[nan, 2.5]"),  # as Python writes a list
        ("CO", "[None, 3]"),
        ("C", "[]"),
        ("CO", ""),
        ("CO", "[null, null]"),
    ]

    one, two, three, *rest = values(rows)

    np.testing.assert_array_equal([one, two, three], [[NAN, 1], [NAN, 2.5], [NAN, 3]])
    assert rest[:2] == [None, None]
    assert np.isnan(rest[2]).all()
