"""What a model would know of held-out molecules if each table's split were taken as it is."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graphium.batching.division import Division
from graphium.batching.leaks import find_leaks
from graphium.batching.report import DatasetReport, Leak, MixReport
from graphium.labels.splits import reconcile

TRAIN, VAL, TEST, UNUSED = 0, 1, 2, 255
NONE = {"train": 0, "val": 0, "test": 0}


def division(sizes, own, molecule, group):
    own, group = np.array(own, np.uint8), np.array(group, np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return Division(starts, own, reconcile(own, group), np.array(molecule, np.int64), group)


def found(division, part, used=None):
    used = np.ones(len(part), bool) if used is None else np.array(used)
    leaks = find_leaks(["qm9", "zinc"], division, part, used)
    return {(one.dataset, one.part, one.source): one.count for one in leaks}


def test_leaks_are_counted_by_pair_of_datasets_and_by_the_split_key():
    # qm9: a test, a test, b val, c train; zinc: a train, another stereoisomer of b train, c, d test
    own = [TEST, TEST, VAL, TRAIN, TRAIN, TRAIN, TEST, TEST]
    one = division([4, 4], own, [0, 0, 1, 2, 0, 3, 2, 4], [0, 0, 1, 2, 0, 1, 2, 3])

    assert found(one, one.own) == {
        ("qm9", "test", "zinc"): 1,  # two rows of one molecule
        ("qm9", "val", "zinc"): 1,  # another stereoisomer of b
        ("zinc", "test", "qm9"): 1,
    }
    assert found(one, one.part) == {}


def test_a_split_that_leaks_into_itself_is_told_and_rows_without_labels_are_not():
    one = division([3, 1], [TRAIN, TEST, UNUSED, TRAIN], [0, 1, 0, 1], [0, 0, 0, 0])

    assert found(one, one.own) == {("qm9", "test", "qm9"): 1, ("qm9", "test", "zinc"): 1}
    assert found(one, one.own, [True, True, True, False]) == {("qm9", "test", "qm9"): 1}
    assert found(one, one.own, [True, False, True, True]) == {}


rows = st.lists(
    st.tuples(st.sampled_from([TRAIN, VAL, TEST, UNUSED]), st.integers(0, 8)), min_size=1
)


@given(rows, rows)
def test_nothing_is_left_after_reconciling_and_counts_are_those_of_a_plain_loop(qm9, zinc):
    own, molecule = zip(*qm9, *zinc, strict=True)
    group = [one // 2 for one in molecule]  # two stereoisomers in each
    one = division([len(qm9), len(zinc)], own, molecule, group)
    expected = {}
    for name, ours in (("qm9", qm9), ("zinc", zinc)):
        for number, part in ((VAL, "val"), (TEST, "test")):
            for source, theirs in (("qm9", qm9), ("zinc", zinc)):
                known = {m // 2 for p, m in theirs if p == TRAIN}
                leaking = {m for p, m in ours if p == number and m // 2 in known}
                if leaking:
                    expected[name, part, source] = len(leaking)

    assert found(one, one.own) == expected
    assert found(one, one.part) == {}


def line(**leaks):
    empty = DatasetReport(rows=1, rejected=0, unassigned=0, unlabelled=0, parts=NONE)
    report = MixReport(molecules=NONE, datasets={"qm9": empty}, tasks={}, **leaks)
    return next(one for one in report.lines() if "leaks by" in one).strip()


def test_the_report_says_what_leaked_and_what_is_left():
    one = Leak(dataset="qm9", part="test", source="zinc", count=12)
    other = Leak(dataset="zinc", part="val", source="qm9", count=1)

    assert line() == "leaks by connectivity: none, with the splits as the tables have them"
    assert line(leaks=[other, one]) == (
        "leaks by connectivity, were each split taken as it is: qm9 test <- zinc train: 12 "
        "molecules; zinc val <- qm9 train: 1 molecule; counted again after reconciling: 0"
    )
    assert line(leaks=[one], leaks_left=[one]).endswith("after reconciling: 12")
    assert line(leaks=[one] * 20).count("<-") == 12
