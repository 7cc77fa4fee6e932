import json
import subprocess
import sys

import numpy as np
import pytest

from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.errors import DataError, StoreError
from graphium.store.prepare import prepare_experiment, store_path

MAIN = """\
smiles,y,y2,active,shade,class,name_class,part,weight,negative,holes,odd,charge,length
CCO,1.0,10,1,dark,0,x,train,1,1,1,0,"[1, 2, 3]","[12, 23]"
OCC,3.0,,1,dark,0,x,train,3,1,1,0,"[30, 20, 10]",
CC,2.0,20,0,light,1,y,train,1,1,1,1,"[4, 5]",[45]
c1ccccc1,4.0,,,,2,y,val,1,1,1,0,,
not a molecule,9.0,9,1,dark,1,x,train,1,1,1,0,,
CC(=O)O,5.0,50,0,light,1,x,test,0.5,-1,,0.5,"[1, 2, null, 4]","[1, 2, 3]"
CN,6.0,60,1,dark,2,z,train,1,1,1,3,"[1, 2]",[1]
CCN,,,,,,,train,1,1,1,,,
"""

OTHER = """\
smiles,z,part
OCC,100,val
CCCC,200,train
C(C)(=O)O,300,train
CC,400,
"""


def experiment(folder, tasks, **changes):
    main = {
        "table": str(folder / "main.csv"),
        "split": {"kind": "column", "column": "part"},
        "categories": {"shade": ["light", "dark"], "name_class": ["x", "y", "z"]},
        **changes,
    }
    other = {"table": str(folder / "other.csv"), "split": {"kind": "column", "column": "part"}}
    return Experiment.model_validate(
        {
            "name": "t",
            "datasets": {"other": other, "main": main},
            "features": {"encodings": {"random_walk": {"steps": 3}, "laplacian": {"k": 2}}},
            "tasks": tasks,
        }
    )


TASKS = {
    "z": {"dataset": "other", "labels": ["z"], "loss": "mae"},
    "y": {"dataset": "main", "labels": ["y", "y2"], "loss": "mse"},
    "active": {"dataset": "main", "labels": ["active", "shade"], "loss": "bce"},
    "class": {"dataset": "main", "labels": ["name_class"], "loss": "ce"},
    "charge": {"dataset": "main", "level": "node", "labels": ["charge"], "loss": "mae"},
    "length": {"dataset": "main", "level": "edge", "labels": ["length"], "loss": "mae"},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mix")
    (folder / "main.csv").write_text(MAIN)
    (folder / "other.csv").write_text(OTHER)
    prepare_experiment(experiment(folder, TASKS), folder / "root", workers=1)
    return folder


@pytest.fixture(scope="module")
def mix(prepared):
    return open_mix(experiment(prepared, TASKS, weights="weight"), prepared / "root")


def open_with(prepared, tasks, **changes):
    return open_mix(experiment(prepared, tasks, **changes), prepared / "root")


def test_equal_molecules_of_all_tables_are_one_in_the_most_held_out_part(mix):
    smiles = dict(zip(mix.smiles(), mix.part.tolist(), strict=True))

    # CCO is in val of the other table; acetic acid in test of the main one; CC is train there and
    # nowhere in the other one; CCN has no label at all.
    assert smiles == {"CCO": 1, "CCCC": 0, "CC(=O)O": 2, "CC": 0, "c1ccccc1": 1, "CN": 0}
    assert [len(mix.molecules(part)) for part in ("train", "val", "test")] == [3, 2, 1]


def test_the_graph_is_that_of_the_row_with_atom_labels(mix):
    at = mix.smiles().index("CCO")
    atoms = slice(mix.graphs.atom_offset[at], mix.graphs.atom_offset[at + 1])

    assert mix.dataset[at] == 1  # although the other table has the molecule first
    assert mix.source_row[at] == 0
    carbon = mix.graphs.atom_table[mix.graphs.atom_code[atoms]]
    assert (carbon[0] != carbon[2]).any()
    assert mix.tasks["z"].source_row[mix.tasks["z"].molecule.tolist().index(at)] == 0


def of_molecule(mix, task, smiles):
    data = mix.tasks[task]
    row = data.molecule.tolist().index(mix.smiles().index(smiles))
    return data.values[data.offset[row] : data.offset[row + 1]].tolist(), float(data.weight[row])


def test_labels_of_re_written_rows_reach_the_right_atoms(mix):
    # OCC has 30 on its oxygen, 10 on its far carbon; CCO has 3 and 1.
    assert of_molecule(mix, "charge", "CCO") == ([[5.5], [11.0], [16.5]], 2.0)
    assert of_molecule(mix, "length", "CCO") == ([[12.0], [23.0]], 1.0)
    values, _ = of_molecule(mix, "charge", "CC(=O)O")
    np.testing.assert_array_equal(np.array(values), [[1], [2], [np.nan], [4]])


def test_graph_labels_of_equal_rows_are_averaged_and_weights_too(mix):
    assert of_molecule(mix, "y", "CCO") == ([[2.0, 10.0]], 2.0)
    assert of_molecule(mix, "z", "CCO") == ([[100.0]], 1.0)
    assert of_molecule(mix, "y", "CC(=O)O")[1] == 0.5


def test_text_columns_are_class_positions(mix):
    assert of_molecule(mix, "active", "CC")[0] == [[0.0, 0.0]]
    assert of_molecule(mix, "active", "CN")[0] == [[1.0, 1.0]]
    assert of_molecule(mix, "class", "CN")[0] == [[2.0]]
    assert mix.tasks["class"].spec.num_classes == 3
    assert mix.tasks["class"].spec.class_names == ["x", "y", "z"]


def test_statistics_come_from_training_labels_only(mix):
    # Training rows of the main table: CC and CN (CCO moved to val).
    assert mix.tasks["y"].spec.mean == [4.0, 40.0]
    assert mix.tasks["y"].spec.std == [2.0, 20.0]
    assert mix.tasks["active"].spec.mean is None


def test_the_report_counts_what_happened(mix, prepared):
    report = mix.report
    store = store_path(experiment(prepared, TASKS).datasets["main"], prepared / "root")

    assert report.datasets["main"].model_dump() == {
        "rows": 8,
        "rejected": 1,
        "unassigned": 0,
        "unlabelled": 1,
        "conflicting": 0,
        "parts": {"train": 2, "val": 3, "test": 1},
        "split": "",
        "rejects": f"{store.name}/rejects.csv",
    }
    listed = f"that cannot be used (with reasons in stores/{store.name}/rejects.csv of the cache)"
    assert any(listed in line for line in report.lines())
    assert str(prepared) not in "".join(report.lines())
    assert report.datasets["other"].unassigned == 1
    assert report.shared == {"other + main": 2}
    assert {(m.dataset, m.origin, m.target, m.count) for m in report.moved} == {
        ("main", "train", "val", 2),
        ("other", "train", "test", 1),
    }
    assert report.tasks["y"].merged == 1
    assert report.tasks["y"].labels == {
        "train": {"y": 2, "y2": 2},
        "val": {"y": 2, "y2": 1},
        "test": {"y": 1, "y2": 1},
    }
    assert any("'class': test has no name_class of class y, z" in w for w in report.warnings)
    assert any("2 rows of main went from train to val" in line for line in report.lines())
    assert json.loads(report.model_dump_json())["molecules"] == {"train": 3, "val": 2, "test": 1}


def test_a_label_of_a_row_in_train_never_changes_a_label_that_is_measured(tmp_path):
    (tmp_path / "main.csv").write_text(
        "smiles,y,part\nCCO,1,train\nOCC,100,test\nCC,2,train\nC,3,train\n"
    )
    (tmp_path / "other.csv").write_text("smiles,z,part\nN,1,val\n")
    tasks = {"y": {**TASKS["y"], "labels": ["y"]}}
    options = experiment(tmp_path, tasks, categories={})
    prepare_experiment(options, tmp_path / "root", workers=1)

    mix = open_mix(options, tmp_path / "root")

    assert of_molecule(mix, "y", "OCC")[0] == [[100.0]]
    assert mix.report.moved == []
    assert mix.splits()["main"] == {"train": [2, 3], "val": [], "test": [1]}
    assert mix.report.datasets["main"].conflicting == 1
    assert mix.report.lines()[1].endswith(
        ", 1 left out: the split holds out a copy of their molecule"
    )


def test_splits_of_a_mix_can_be_used_as_a_split_file(mix, prepared):
    path = prepared / "splits.json"
    path.write_text(json.dumps(mix.splits()))
    split = {"kind": "file", "file": str(path), "key": "main"}

    again = open_with(prepared, TASKS, split=split)

    assert mix.splits()["main"] == {"train": [2, 6], "val": [0, 1, 3], "test": [5]}
    assert again.splits()["main"] == mix.splits()["main"]


def test_wildcards_stand_for_all_columns_of_the_level(prepared):
    tasks = {"y": {"dataset": "main", "labels": ["y2", "y*"], "loss": "mse"}}

    assert open_with(prepared, tasks).specs[0].labels == ["y2", "y"]


def test_specs_of_a_model_keep_its_statistics(prepared, mix):
    specs = [
        spec.model_copy(update={"mean": [0.5] * len(spec.labels), "std": [2.0] * len(spec.labels)})
        for spec in mix.specs
    ]

    again = open_mix(experiment(prepared, TASKS), prepared / "root", specs=specs)

    assert again.tasks["y"].spec.mean == [0.5, 0.5]
    with pytest.raises(DataError, match="not one that the model has learned"):
        open_mix(experiment(prepared, TASKS), prepared / "root", specs=specs[2:])


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"labels": ["Y3"]}, r"has no column 'Y3' \(did you mean 'y'\?\)"),
        ({"labels": ["q*"]}, r"has no column 'q\*'"),
        (
            {"labels": ["part"]},
            r"column 'part' of dataset 'main' \(main\.csv\) holds text, not numbers; row 0 is "
            r"'train'. Rows count from 0 .* Mend such cells.*datasets.main.categories.part",
        ),
        ({"labels": ["charge"]}, r"describes atoms \(level node\), the task molecules"),
        ({"labels": ["y"], "level": "edge"}, r"describes molecules \(level graph\)"),
        ({"labels": ["shade"]}, r"'shade' has categories, which loss 'mae' cannot learn"),
        ({"labels": ["y", "shade"]}, r"'shade' has categories, which loss 'mae' cannot learn"),
        ({"labels": ["odd"], "loss": "bce"}, r"row 5: 'odd' is 0.5, but .* 0 or 1 \(2 are not"),
        (
            {"labels": ["class"], "loss": "ce", "num_classes": 2},
            r"row 3: 'class' is 2, but labels of loss 'ce' must be 0 or 1",
        ),
        (
            {"labels": ["name_class"], "loss": "ce", "num_classes": 4},
            r"has 4 classes, but the categories of its labels list 3",
        ),
    ],
)
def test_a_task_that_does_not_fit_its_columns_is_refused(prepared, task, message):
    with pytest.raises(DataError, match=message):
        open_with(prepared, {"t": {"dataset": "main", "loss": "mae", **task}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "negative"}, r"row 5: the sample weight in column 'negative' is -1"),
        ({"weights": "holes"}, r"row 5: the sample weight in column 'holes' is missing"),
        (
            {"weights": "charge"},
            r"'charge' of datasets\.main\.weights.*one number for each of its atoms",
        ),
        ({"weights": "wieght"}, r"'wieght' for datasets\.main\.weights.*did you mean 'weight'"),
        ({"categories": {"shad": ["a"]}}, r"datasets\.main\.categories.*did you mean 'shade'"),
        ({"categories": {"shade": ["light", "drak"]}}, r"row 0: 'dark' .*did you mean 'drak'"),
    ],
)
def test_weights_and_categories_that_do_not_fit_are_refused(prepared, changes, message):
    tasks = {"t": {"dataset": "main", "labels": ["shade"], "loss": "bce"}}

    with pytest.raises(DataError, match=message):
        open_with(prepared, tasks, **changes)


@pytest.mark.parametrize("labels", [["row"], ["*"]])
def test_a_label_named_like_a_column_of_the_predictions_is_refused(tmp_path, labels):
    (tmp_path / "main.csv").write_text("smiles,y,row,part\nC,1,5,train\nCC,2,6,val\n")
    (tmp_path / "other.csv").write_text(OTHER)
    tasks = {"t": {"dataset": "main", "labels": labels, "loss": "mae"}}
    options = experiment(tmp_path, tasks, categories={})
    prepare_experiment(options, tmp_path / "root", workers=1)

    with pytest.raises(DataError, match=r"task 't': label column 'row' of dataset 'main'.*rename"):
        open_mix(options, tmp_path / "root")


def test_a_task_without_a_training_label_is_refused(prepared):
    tasks = {"length": TASKS["length"], "z": {**TASKS["z"], "labels": ["z"]}}
    path = prepared / "none.json"
    path.write_text(json.dumps({"train": [6], "test": [0, 2, 5]}))
    split = {"kind": "file", "file": str(path)}

    assert open_with(prepared, tasks, split=split).specs[0].name == "length"

    path.write_text(json.dumps({"val": [6], "test": [0, 2, 5]}))
    with pytest.raises(DataError, match=r"task 'length' is a task without labels: .*\(1 in val, "):
        open_with(prepared, tasks, split=split)


def test_an_unprepared_mix_says_what_to_run(prepared, tmp_path):
    with pytest.raises(StoreError, match="graphium data prepare"):
        open_mix(experiment(prepared, TASKS), tmp_path)


def test_opening_a_mix_imports_neither_chemistry_nor_tracking(prepared):
    code = (
        "import json, sys; from pathlib import Path\n"
        "from graphium.batching.loader import BatchLoader\n"
        "from graphium.batching.mix import open_mix\n"
        "from graphium.config.experiment import Experiment\n"
        "mix = open_mix(Experiment.model_validate_json(sys.argv[1]), Path(sys.argv[2]))\n"
        "heavy = {'rdkit', 'datamol', 'wandb', 'sklearn'}\n"
        "print(len(mix.part), sorted(heavy & {name.split('.')[0] for name in sys.modules}))\n"
    )
    dump = experiment(prepared, TASKS).model_dump_json()

    out = subprocess.run(
        [sys.executable, "-c", code, dump, str(prepared / "root")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert out.stdout.strip() == "6 []"


def test_changing_held_out_labels_does_not_change_the_scaling(prepared, mix, tmp_path):
    changed = MAIN.replace("5.0,50", "-700.0,1e6").replace("1.0,10", "77.0,0")
    (tmp_path / "main.csv").write_text(changed)
    (tmp_path / "other.csv").write_text(OTHER)
    prepare_experiment(experiment(tmp_path, TASKS), tmp_path / "root", workers=1)

    other = open_with(tmp_path, TASKS)

    assert other.tasks["y"].spec.mean == mix.tasks["y"].spec.mean
    assert other.tasks["y"].spec.std == mix.tasks["y"].spec.std
    assert not np.array_equal(other.tasks["y"].values, mix.tasks["y"].values)


def test_features_and_encodings_are_those_that_the_experiment_chooses(prepared):
    chosen = {
        "atoms": ["degree-float"], "bonds": ["in-ring"], "encodings": {"laplacian": None}
    }  # fmt: skip
    options = experiment(prepared, TASKS).model_dump() | {"features": chosen}

    graphs = open_mix(Experiment.model_validate(options), prepared / "root").graphs

    assert graphs.atom_table.shape[1] == graphs.bond_table.shape[1] == 1
    assert list(graphs.encodings) == ["random_walk"]
    assert graphs.encodings["random_walk"].shape == (graphs.atom_offset[-1], 16)


def test_stereoisomers_and_salts_are_other_molecules_but_never_in_another_part(tmp_path):
    (tmp_path / "main.csv").write_text(
        "smiles,y,part\n"
        "N[C@@H](C)C(=O)O,1,train\nN[C@H](C)C(=O)O,2,test\nCC(=O)[O-].[Na+],3,val\n"
        "CC(=O)[O-].[K+],4,train\nC,5,train\n"
    )
    (tmp_path / "other.csv").write_text("smiles,z,part\nNC(C)C(=O)O,7,train\nCC,1,train\n")
    tasks = {
        "y": {"dataset": "main", "labels": ["y"], "loss": "mae"},
        "z": {"dataset": "other", "labels": ["z"], "loss": "mae"},
    }
    options = experiment(tmp_path, tasks, categories={})
    prepare_experiment(options, tmp_path / "root", workers=1)

    mix = open_mix(options, tmp_path / "root")

    assert len(mix.part) == 7  # nothing was joined...
    assert {
        s: ("train", "val", "test")[p] for s, p in zip(mix.smiles(), mix.part, strict=True)
    } == {
        "NC(C)C(=O)O": "test",  # ...and nothing learned about what is tested
        "N[C@@H](C)C(=O)O": "test",
        "N[C@H](C)C(=O)O": "test",
        "CC(=O)[O-].[Na+]": "val",
        "CC(=O)[O-].[K+]": "val",
        "C": "train",
        "CC": "train",
    }


def test_a_scaffold_split_keeps_each_scaffold_in_one_part(tmp_path):
    rings = ["c1ccccc1", "C1CCCCC1", "c1ccncc1", "C1CCNC1", "c1ccsc1", "c1cc[nH]c1"]
    smiles = [tail + ring for ring in rings for tail in ("C", "CC", "CCC", "O", "N")]
    rows = "".join(f"{text},{i}\n" for i, text in enumerate(smiles))
    (tmp_path / "main.csv").write_text("smiles,y\n" + rows)
    (tmp_path / "other.csv").write_text("smiles,z,part\nCC,1,train\n")
    split = {"kind": "scaffold", "fractions": [0.5, 0.25, 0.25]}
    options = experiment(
        tmp_path, {"y": {**TASKS["y"], "labels": ["y"]}}, split=split, categories={}
    )
    prepare_experiment(options, tmp_path / "root", workers=1)

    mix = open_mix(options, tmp_path / "root")

    part = dict(zip(mix.smiles(), mix.part.tolist(), strict=True))
    parts_of_ring = [{part[tail + ring] for tail in ("C", "CC", "CCC", "O", "N")} for ring in rings]
    assert [len(parts) for parts in parts_of_ring] == [1] * 6
    assert set(part.values()) == {0, 1, 2}


def test_a_scaffold_split_without_prepared_scaffolds_says_what_to_run(prepared):
    with pytest.raises(StoreError, match=r"'main' is divided by scaffold.*graphium data prepare"):
        open_with(prepared, TASKS, split={"kind": "scaffold"})
