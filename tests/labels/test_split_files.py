import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphium.config.data import FileSplitConfig
from graphium.errors import DataError
from graphium.labels.splits import SplitMolecules, assign_parts

TRAIN, VAL, TEST, UNUSED = 0, 1, 2, 255


def parts(split, num_rows):
    rows = np.arange(num_rows)
    molecules = SplitMolecules("bace", num_rows, rows, rows.astype(np.uint64))
    return assign_parts(split, molecules, lambda column: [column]).tolist()


@pytest.fixture
def parquet(tmp_path):
    def write(**columns):
        path = tmp_path / "splits.parquet"
        pq.write_table(pa.table(columns), path)
        return str(path)

    return write


def test_a_parquet_file_names_the_part_of_each_row(parquet):
    path = parquet(row=[3, 0, 2], part=["val", "train", "test"])

    assert parts(FileSplitConfig(file=path), 4) == [TRAIN, UNUSED, TEST, VAL]


def test_names_of_parts_may_be_encoded_as_a_dictionary(parquet):
    path = parquet(row=pa.array([0, 1], pa.int32()), part=pa.array(["test", "train"]))
    table = pq.read_table(path)
    encoded = table.set_column(1, "part", table.column("part").dictionary_encode())
    pq.write_table(encoded, path)

    assert parts(FileSplitConfig(file=path), 2) == [TEST, TRAIN]


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_a_list_of_another_name_is_what_the_option_says(tmp_path, parquet, form):
    content = {"train": [0], "test": [1], "test_seen": [2]}
    if form == "json":
        path = tmp_path / "splits.json"
        path.write_text(json.dumps(content))
    else:
        path = parquet(row=[0, 1, 2], part=list(content))

    left_out = FileSplitConfig(file=str(path), lists={"test_seen": "unused"})
    other_test = FileSplitConfig(file=str(path), lists={"test_seen": "test", "test": "unused"})

    assert parts(left_out, 3) == [TRAIN, TEST, UNUSED]
    assert parts(other_test, 3) == [TRAIN, UNUSED, TEST]


def test_a_row_of_an_unused_list_cannot_stand_in_another(parquet):
    split = FileSplitConfig(
        file=parquet(row=[0, 1, 1], part=["train", "test_seen", "test"]),
        lists={"test_seen": "unused"},
    )

    with pytest.raises(DataError, match="row 1 is listed twice, first in test_seen"):
        parts(split, 2)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"rows": [0], "part": ["train"]}, {}, r"no column 'row'.*has rows, part"),
        ({"row": [0.5], "part": ["train"]}, {}, r"column row must hold whole numbers, found type"),
        ({"row": [0, None], "part": ["train"] * 2}, {}, r"column row .* found 1 empty cells"),
        ({"row": [0], "part": [1]}, {}, r"column part must hold names of parts, found type int64"),
        ({"row": [0], "part": [None]}, {}, r"column part must hold names of parts"),
        ({"row": [7], "part": ["train"]}, {}, r"train: row 7 does not exist: .* rows 0 to 2"),
        ({"row": [0], "part": ["seen"]}, {}, r"'seen' names no part.*split\.lists\.seen=test"),
        ({"row": [0], "part": ["train"]}, {"key": "qm9"}, r"leave out split\.key, got 'qm9'"),
        (
            {"row": [0, 1], "part": ["train", "test_seen"]},
            {"lists": {"test_sen": "test"}},
            r"has no list 'test_sen'.*did you mean 'test_seen'",
        ),
    ],
)
def test_a_wrong_parquet_file_is_refused_with_the_reason(parquet, columns, options, message):
    split = FileSplitConfig(file=parquet(**columns), **options)

    with pytest.raises(DataError, match=message):
        parts(split, 3)


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    path = tmp_path / "splits.parquet"
    path.write_text("row,part\n0,train\n")

    with pytest.raises(DataError, match=r"splits\.parquet cannot be read"):
        parts(FileSplitConfig(file=str(path)), 3)
