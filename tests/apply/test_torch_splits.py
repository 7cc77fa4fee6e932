"""Published split files become parquet; nothing in them is run."""

import os
import pickle
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from graphium.apply.torch_splits import convert_splits
from graphium.cli.main import main
from graphium.errors import DataError, UsageError
from graphium.labels.split_files import read_split_file


@pytest.fixture
def saved(tmp_path):
    def save(content):
        path = tmp_path / "random_splits.pt"
        torch.save(content, path)
        return path

    return save


@pytest.mark.parametrize(
    "form",
    [
        list,
        np.array,
        lambda rows: np.array(rows, np.int32),
        lambda rows: list(np.array(rows)),
        torch.tensor,
    ],
    ids=["list", "int64 array", "int32 array", "list of numpy numbers", "tensor"],
)
def test_lists_arrays_and_tensors_become_the_same_rows(saved, tmp_path, form):
    lists = {"train": [5, 0, 3], "val": [1], "test": [4], "test_seen": [2]}
    path = saved({name: form(rows) for name, rows in lists.items()})

    counts = convert_splits(path, tmp_path / "out.parquet")

    assert counts == {"train": 3, "val": 1, "test": 1, "test_seen": 1}
    found = read_split_file(tmp_path / "out.parquet", None)
    assert {name: rows.tolist() for name, rows in found.items()} == lists


def test_arrays_of_numpy_1_are_read(saved, tmp_path):
    new, old = saved({"train": np.arange(5)}), tmp_path / "numpy1.pt"
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("data.pkl"):
                assert b"numpy._core" in content
                content = content.replace(b"numpy._core", b"numpy.core")
            target.writestr(name, content)

    assert convert_splits(old, tmp_path / "out.parquet") == {"train": 5}


class Mischief:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("as_plain_pickle", [False, True])
def test_code_in_a_file_is_refused_and_not_run(saved, tmp_path, as_plain_pickle):
    content = {"train": [0], "test": Mischief(tmp_path / "was_here")}
    path = saved(content)
    if as_plain_pickle:
        path.write_bytes(pickle.dumps(content, protocol=2))

    with pytest.raises(DataError, match="holds more than numbers and lists"):
        convert_splits(path, tmp_path / "out.parquet")
    assert not (tmp_path / "was_here").exists()
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([0, 1], "must hold a dictionary of lists of rows, found list"),
        ({"train": [0.5]}, "train: must be one row number .* found float64 in 1 dimensions"),
        ({"train": [[0], [1]]}, "found int64 in 2 dimensions"),
        ({"train": [[0], [1, 2]]}, "not one row number after the other"),
        ({"train": [0, -1]}, "row -1 is no row of a table"),
        ({"train": [0, 1], "test": [1]}, r"row 1 is listed more than once \(train, test\)"),
        ({"train": ["0"]}, "found <U1 in 1 dimensions"),
    ],
)
def test_what_is_no_split_is_refused_with_what_was_found(saved, tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        convert_splits(saved(content), tmp_path / "out.parquet")


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"PK\3\4 broken"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.pt"):
        convert_splits(tmp_path / "bad.pt", tmp_path / "out.parquet")


def test_a_file_that_exists_is_not_replaced(saved, tmp_path):
    (tmp_path / "out.parquet").write_text("mine")
    with pytest.raises(UsageError, match=r"out\.parquet exists"):
        convert_splits(saved({"train": [0]}), tmp_path / "out.parquet")


def test_the_command_writes_beside_the_file_and_counts(saved, capsys):
    path = saved({"train": list(range(1200)), "test": [1200]})
    with pytest.raises(SystemExit) as stopped:
        main(["data", "convert-splits", str(path)])

    assert stopped.value.code == 0
    assert "random_splits.parquet: train 1,200, test 1" in capsys.readouterr().out
    assert pq.read_metadata(path.with_suffix(".parquet")).num_rows == 1201
