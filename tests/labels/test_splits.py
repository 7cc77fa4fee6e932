import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphium.config.data import (
    ColumnSplitConfig,
    FileSplitConfig,
    RandomSplitConfig,
    ScaffoldSplitConfig,
)
from graphium.errors import DataError
from graphium.labels.splits import SplitMolecules, assign_parts, reconcile

TRAIN, VAL, TEST, UNUSED = 0, 1, 2, 255


def molecules(groups, scaffolds=None, *, rows=None, num_rows=None):
    return SplitMolecules(
        dataset="bace",
        num_rows=len(groups) if num_rows is None else num_rows,
        row=np.arange(len(groups)) if rows is None else np.array(rows),
        group_hash=np.array(groups, np.uint64),
        scaffold=None if scaffolds is None else np.array(scaffolds, np.uint64),
    )


def no_cells(column):
    raise AssertionError("this split reads no column")


def parts(split, mols, cells=None):
    read = no_cells if cells is None else (lambda column: cells)
    return assign_parts(split, mols, read).tolist()


@given(st.lists(st.integers(0, 10), min_size=1, max_size=60), st.integers(0, 5))
def test_copies_of_a_molecule_always_stay_together(groups, seed):
    for split in (RandomSplitConfig(seed=seed), ScaffoldSplitConfig(seed=seed)):
        assigned = parts(split, molecules(groups, [g // 3 for g in groups]))

        assert len({(g, p) for g, p in zip(groups, assigned, strict=True)}) == len(set(groups))


@given(st.permutations(range(40)), st.integers(0, 3))
def test_neither_random_nor_scaffold_split_sees_the_order_of_the_table(order, seed):
    groups = np.arange(40)
    scaffolds = np.array([5] * 10 + [7] * 8 + list(range(100, 122)))
    for split in (RandomSplitConfig(seed=seed), ScaffoldSplitConfig(seed=seed)):
        straight = parts(split, molecules(groups, scaffolds))
        shuffled = parts(split, molecules(groups[order], scaffolds[order]))

        assert [straight[i] for i in order] == shuffled


@pytest.mark.parametrize("split", [RandomSplitConfig, ScaffoldSplitConfig])
def test_another_seed_makes_another_split(split):
    mols = molecules(range(200), range(1, 201))

    assert parts(split(seed=0), mols) != parts(split(seed=1), mols)
    assert parts(split(seed=0), mols) != parts(split(seed=-1), mols)
    assert parts(split(seed=1), mols) == parts(split(seed=1), mols)


def test_shares_are_exact_when_groups_are_single_molecules():
    assigned = parts(RandomSplitConfig(fractions=(0.8, 0.1, 0.1)), molecules(range(1000)))

    assert np.bincount(assigned).tolist() == [800, 100, 100]


@pytest.mark.parametrize(
    ("fractions", "counts"), [((1, 0, 0), [7]), ((0.5, 0.5, 0), [3, 4]), ((0.5, 0, 0.5), [3, 0, 4])]
)
def test_a_share_of_zero_is_empty(fractions, counts):
    assigned = parts(RandomSplitConfig(fractions=fractions), molecules(range(7)))

    assert np.bincount(assigned).tolist() == counts


def test_the_largest_scaffolds_go_to_train():
    scaffolds = [11] * 5 + [12] * 3 + [13] + [14]
    split = ScaffoldSplitConfig(fractions=(0.8, 0.1, 0.1))

    assigned = parts(split, molecules(range(10), scaffolds))

    assert assigned[:8] == [TRAIN] * 8
    assert sorted(assigned[8:]) == [VAL, TEST]


def test_one_scaffold_is_never_divided():
    scaffolds = np.repeat(np.arange(1, 31), np.arange(1, 31))
    assigned = parts(ScaffoldSplitConfig(), molecules(range(len(scaffolds)), scaffolds))

    assert len(set(zip(scaffolds.tolist(), assigned, strict=True))) == 30
    assert set(assigned) == {TRAIN, VAL, TEST}


def test_a_table_sorted_by_activity_still_has_actives_in_every_part():
    active = np.arange(400) < 80  # sorted: actives first, equal-sized scaffolds
    assigned = np.array(parts(ScaffoldSplitConfig(), molecules(range(400), range(1, 401))))

    assert all(active[assigned == part].any() for part in (TRAIN, VAL, TEST))
    assert all((~active)[assigned == part].any() for part in (TRAIN, VAL, TEST))


def test_a_column_names_the_parts_and_an_empty_cell_none():
    cells = ["train", "Valid", "validation", "val", "test", None, " TRAIN "]

    assigned = parts(ColumnSplitConfig(), molecules(range(7)), cells)

    assert assigned == [TRAIN, VAL, VAL, VAL, TEST, UNUSED, TRAIN]


def test_an_unknown_part_in_a_column_is_named_with_its_row():
    mols = molecules(range(2), rows=[3, 8], num_rows=9)

    with pytest.raises(DataError, match=r"'bace', column 'split', row 8: 'tset' names no part"):
        parts(ColumnSplitConfig(), mols, ["train", "tset"])


def test_val_is_carved_from_train_when_the_column_has_none():
    cells = ["train"] * 80 + ["test"] * 20
    split = ColumnSplitConfig(val_fraction=0.25)

    assigned = np.array(parts(split, molecules(range(100)), cells))

    assert (assigned[80:] == TEST).all()
    assert np.bincount(assigned[:80]).tolist() == [60, 20]
    other = np.array(parts(split.model_copy(update={"seed": 1}), molecules(range(100)), cells))
    assert (other != assigned).any()


def test_val_is_not_carved_when_the_column_has_val_rows():
    cells = ["train"] * 8 + ["val", "test"]

    assigned = parts(ColumnSplitConfig(val_fraction=0.5), molecules(range(10)), cells)

    assert assigned == [TRAIN] * 8 + [VAL, TEST]


@pytest.fixture
def split_file(tmp_path):
    def write(content):
        path = tmp_path / "splits.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def test_a_file_lists_rows_of_the_table_not_molecules(split_file):
    path = split_file({"train": [0, 4], "val": [2], "test": [5]})
    mols = molecules(range(4), rows=[0, 2, 4, 5], num_rows=6)  # rows 1 and 3 were rejected

    assert parts(FileSplitConfig(file=path), mols) == [TRAIN, VAL, TRAIN, TEST]


def test_rows_that_a_file_does_not_list_are_not_used(split_file):
    path = split_file({"train": [0], "test": [2]})

    assert parts(FileSplitConfig(file=path), molecules(range(3))) == [TRAIN, UNUSED, TEST]


def test_a_file_of_several_datasets_is_read_by_key(split_file):
    path = split_file({"qm9": {"train": [0]}, "bace": {"train": [1], "test": [0]}})

    split = FileSplitConfig(file=path, key="bace")

    assert parts(split, molecules(range(2))) == [TEST, TRAIN]


def test_a_dollar_in_the_name_of_a_split_file_is_a_dollar(tmp_path):
    path = tmp_path / "$HOME.json"
    path.write_text('{"train": [0], "test": [1]}')

    assert parts(FileSplitConfig(file=str(path)), molecules(range(2))) == [TRAIN, TEST]


def test_the_splits_that_a_run_leaves_are_read_by_dataset(split_file):
    path = split_file({"datasets": {"bace": {"train": [1], "val": [], "test": [0]}}, "report": []})

    assert parts(FileSplitConfig(file=path, key="bace"), molecules(range(2))) == [TEST, TRAIN]


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        ({"train": [0, 9]}, None, r"splits.json, train: row 9 does not exist: .* rows 0 to 2"),
        ({"train": [0, -1]}, None, r"row -1 does not exist"),
        ({"train": [0, 1], "test": [1]}, None, r"test: row 1 is listed twice, first in train"),
        ({"train": [2, 2]}, None, r"row 2 is listed twice"),
        ({"train": [0.5]}, None, r"row 0.5 is not a row number"),
        ({"train": [True]}, None, r"row True is not a row number"),
        ({"train": [0], "tets": [1]}, None, r"'tets' names no part"),
        ({"qm9": {"train": [0]}}, "qm7", r"has no 'qm7' \(did you mean 'qm9'\?\)"),
        ({"qm9": {"train": [0]}}, None, r"set split.key to one of qm9"),
        ([1, 2], None, r"must hold"),
        ("{", None, r"is not JSON"),
    ],
)
def test_a_wrong_split_file_is_refused_with_file_and_row(split_file, content, key, message):
    split = FileSplitConfig(file=split_file(content), key=key)

    with pytest.raises(DataError, match=message):
        parts(split, molecules(range(3)))


def test_a_missing_split_file_is_named(tmp_path):
    split = FileSplitConfig(file=str(tmp_path / "nothing.json"))

    with pytest.raises(DataError, match=r"nothing\.json cannot be read"):
        parts(split, molecules([1]))


def test_a_molecule_in_several_parts_goes_to_the_most_held_out_one():
    part = np.array([TRAIN, TEST, TRAIN, VAL, TRAIN, UNUSED, UNUSED], np.uint8)
    group = np.array([0, 0, 1, 1, 2, 2, 3])

    assert reconcile(part, group).tolist() == [TEST, TEST, VAL, VAL, TRAIN, UNUSED, UNUSED]


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2, 255]), st.integers(0, 6)), max_size=40))
def test_after_reconciling_no_group_stands_in_two_parts_and_nothing_is_less_held_out(pairs):
    part = np.array([p for p, _ in pairs], np.uint8)
    group = np.array([g for _, g in pairs], np.int64)

    after = reconcile(part, group)

    used = after != UNUSED
    assert (used == (part != UNUSED)).all()
    assert (after >= part).all()
    assert len(set(zip(group[used], after[used], strict=True))) == len(set(group[used]))
