"""Folders in the layouts of TDC and OGB: what their files are, and what is said of others."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from graphium.config.data import DatasetConfig, FolderSplitConfig, RandomSplitConfig
from graphium.errors import DataError
from graphium.labels.files import find_files
from graphium.labels.folders import describe_split, label_columns, open_folder, split_files
from graphium.labels.header import smiles_candidates
from graphium.labels.splits import SplitMolecules, assign_parts
from graphium.labels.table import open_table

TRAIN, VAL, TEST, UNUSED = 0, 1, 2, 255


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


def tdc(path, *names, ending=".csv"):
    for number, name in enumerate(names):
        write(path / f"{name}{ending}", f"Drug_ID,Drug,Y\n{name},{'C' * (number + 1)}O,{number}\n")
    return path


def ogb(path, *, splits=("scaffold",), parts=None):
    write(path / "mapping" / "mol.csv.gz", "a,b,smiles,mol_id\n0,,CO,M0\n1,0,CCO,M1\n,1,CCCO,M2\n")
    for name in splits:
        for part, rows in (parts or {"train": "0\n2\n", "valid": "1\n", "test": ""}).items():
            write(path / "split" / name / f"{part}.csv.gz", rows)
    return path


def parts_of(path, split=None, **molecules):
    folder = open_folder(path)
    rows = np.arange(3)
    given = {"num_rows": 3, "row": rows, "group_hash": rows.astype(np.uint64), **molecules}
    mols = SplitMolecules(dataset="d", folder=folder, **given)
    return assign_parts(split or FolderSplitConfig(), mols, lambda column: []).tolist()


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("test", "valid", "train"), ("train", "valid", "test")),
        (("val", "train", "test"), ("train", "val", "test")),
        (("test", "train_val"), ("train_val", "test")),
    ],
)
def test_the_files_of_a_tdc_folder_are_one_table_in_the_order_of_their_parts(
    tmp_path, names, parts
):
    folder = open_folder(tdc(tmp_path / "d", *names))

    assert folder.parts == parts
    assert find_files(tmp_path / "d") == [tmp_path / "d" / f"{one}.csv" for one in parts]
    table = open_table(str(tmp_path / "d"))
    assert table.columns == ("Drug_ID", "Drug", "Y")
    ids = [one for batch in table.batches() for one in batch.column("Drug_ID").to_pylist()]
    assert ids == [part.encode() for part in parts]


def test_rows_of_a_tdc_folder_are_in_the_parts_their_files_are_named_after(tmp_path):
    path = tdc(tmp_path / "d", "train", "valid", "test")

    assert parts_of(path, file_rows=(1, 1, 1)) == [TRAIN, VAL, TEST]
    assert parts_of(path, file_rows=(2, 0, 1)) == [TRAIN, TRAIN, TEST]
    assert parts_of(path, file_rows=(0, 1, 2)) == [VAL, TEST, TEST]  # train is the shortest


def test_val_of_train_val_is_a_share_by_whole_scaffolds_that_the_seed_chooses(tmp_path):
    path = tdc(tmp_path / "d", "train_val", "test")
    rows, scaffolds = np.arange(100), np.arange(100, dtype=np.uint64) // 2
    groups = rows.astype(np.uint64)
    groups[0] = groups[99]  # a copy of a test molecule is not drawn into val

    def drawn(seed):
        return np.array(
            parts_of(
                path,
                FolderSplitConfig(seed=seed, val_fraction=0.25),
                num_rows=100,
                row=rows,
                group_hash=groups,
                scaffold=scaffolds,
                file_rows=(80, 20),
            )
        )

    first = drawn(1)
    assert (first == TEST).tolist() == [False] * 80 + [True] * 20
    assert np.count_nonzero(first == VAL) in range(18, 23)
    assert (first[2:80:2] == first[3:80:2]).all()
    assert first[0] == TRAIN
    assert (first == drawn(1)).all()
    assert (first != drawn(2)).any()


def test_rows_of_an_ogb_folder_are_where_its_lists_say(tmp_path):
    path = ogb(tmp_path / "ogbg_molx")

    assert [file.name for file in find_files(path)] == ["mol.csv.gz"]
    assert parts_of(path) == [TRAIN, VAL, TRAIN]
    assert label_columns(open_table(path).columns) == ["a", "b"]


def test_pcqm4mv2_is_divided_by_its_converted_split(tmp_path):
    path = tmp_path / "pcqm4m-v2"
    write(path / "raw" / "data.csv.gz", "idx,smiles,homolumogap\n0,CO,1\n1,CCO,2\n2,CCCO,\n")
    write(path / "split_dict.pt", "torch")
    with pytest.raises(DataError, match=r"graphium data convert-splits .*split_dict\.pt"):
        parts_of(path)

    table = pa.table({"row": [0, 1, 2], "part": ["train", "valid", "test-challenge"]})
    pa.parquet.write_table(table, path / "split_dict.parquet")
    assert parts_of(path) == [TRAIN, VAL, TEST]
    assert label_columns(open_table(path).columns) == ["homolumogap"]


def test_the_split_of_a_folder_is_the_default_and_another_can_be_chosen(tmp_path):
    folder = str(tdc(tmp_path / "d", "train_val", "test"))

    own = DatasetConfig(table=folder)
    assert own.split == FolderSplitConfig()
    assert DatasetConfig.model_validate_json(own.model_dump_json()) == own
    assert DatasetConfig(table=folder, split={"kind": "random"}).split == RandomSplitConfig()
    assert DatasetConfig(table="absent.csv").split == RandomSplitConfig()
    words = describe_split(open_folder(tmp_path / "d"), own.split)
    assert words == "TDC: test.csv is test, 0.125 of train_val.csv by scaffold is val, seed 1"


def test_one_of_several_splits_is_chosen_by_name(tmp_path):
    path = ogb(tmp_path / "ogbg_molx", splits=("random", "scaffold"))
    folder = open_folder(path)

    with pytest.raises(DataError, match=r"several splits \(random, scaffold\).*split\.name"):
        split_files(folder, FolderSplitConfig())
    with pytest.raises(DataError, match=r"no split 'scafold' \(did you mean 'scaffold'\?\)"):
        split_files(folder, FolderSplitConfig(name="scafold"))
    words = describe_split(folder, FolderSplitConfig(name="random"))
    assert words.startswith("OGB: split/random/train.csv.gz, split/random/valid.csv.gz")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["test.csv"], "has test.csv, but it lacks train.csv and valid.csv. Known layouts are TDC"),
        (["train_val.csv"], "but it lacks test.csv"),
        (["train_val.csv", "train.csv", "test.csv"], "but it has train.csv as well"),
        (["train.csv", "train.tab", "valid.csv", "test.csv"], "has train.csv and train.tab: rem"),
        (["split/scaffold/train.csv.gz"], "like one of OGB, but lacks .*mol.csv.gz. Known layouts"),
        (["split_dict.pt"], "looks like PCQM4Mv2, but lacks .*raw/data.csv.gz"),
        (["caco2/train_val.csv", "herg/test.csv"], r"several datasets \(caco2, herg\); name one"),
        (["part-1.csv", "part-2.csv"], r"not a table; for all that it holds, write the pattern"),
        (["notes.txt"], r"is a folder, not a table. Known layouts are TDC \(train_val.csv and"),
    ],
)
def test_a_folder_of_no_known_layout_is_refused_with_what_it_lacks(tmp_path, files, message):
    for name in files:
        write(tmp_path / "d" / name, "x\n")
    with pytest.raises(DataError, match=message):
        find_files(str(tmp_path / "d"))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": "0\n", "valid": "1\n"}, "split 'scaffold' of .* lacks .*test.csv.gz"),
        ({"train": "0\n", "valid": "x\n", "test": ""}, "valid.csv.gz, line 1: 'x' is not a row"),
        (
            {"train": "0\n3\n", "valid": "", "test": ""},
            "row 3 does not exist: dataset 'd' has rows",
        ),
        ({"train": "0\n1\n", "valid": "", "test": "1\n"}, "row 1 is listed twice, first in train"),
    ],
)
def test_wrong_lists_of_an_ogb_folder_are_refused(tmp_path, parts, message):
    path = ogb(tmp_path / "ogbg_molx", parts=parts)
    with pytest.raises(DataError, match=message):
        parts_of(path)


def test_tables_of_tdc_have_their_smiles_in_drug_or_x():
    assert smiles_candidates(["Drug_ID", "Drug", "Y"]) == ["Drug"]
    assert smiles_candidates(["ID", "X", "NR-AR", "SR-p53"]) == ["X"]
    assert smiles_candidates(["x", "X", "y"]) == []
    assert smiles_candidates(["Drug", "smiles"]) == ["smiles"]
