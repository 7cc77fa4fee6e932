"""What may stand in the file of a sweep, and what is said where it may not."""

import random

import pytest

from graphium.config.load import load_config
from graphium.errors import ConfigError
from graphium.studies.space import as_overrides, check_space, read_space, shown

EXPERIMENT = """
name: searched
datasets: {d: {table: table.csv}}
tasks: {y: {dataset: d, labels: [y], loss: mse}}
"""
SPACE = """
optimizer.lr: {low: 1e-5, high: 1e-2, log: true}
optimizer.weight_decay: {low: 0, high: 1}
model.trunk.kind: [gcn, gine]
model.trunk.depth: {low: 2, high: 7, step: 2}
model.trunk.learn_epsilon: {choices: [true, false], when: {model.trunk.kind: gine}}
model.pooling: [[sum], [sum, mean]]
trainer.precision: [32, bf16-mixed]
tasks.y.weight: [0.5, 2]
"""


@pytest.fixture
def load(tmp_path):
    (tmp_path / "e.yaml").write_text(EXPERIMENT)
    return lambda overrides: load_config(tmp_path / "e.yaml", overrides).experiment


def read(tmp_path, text):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return read_space(path)


def test_each_sampled_value_arrives_in_the_experiment(tmp_path, load):
    space = read(tmp_path, SPACE)
    check_space(space, load)
    rng = random.Random(1)
    kinds, depths = set(), set()
    for _ in range(40):
        values = space.sample(lambda dimension: dimension.draw(rng))
        experiment = load(as_overrides(values))
        trunk = experiment.model.trunk
        assert experiment.optimizer.lr == values["optimizer.lr"]
        assert trunk.depth == values["model.trunk.depth"]
        assert ("model.trunk.learn_epsilon" in values) == (trunk.kind == "gine")
        assert shown(values["trainer.precision"]) == experiment.trainer.precision
        assert experiment.tasks["y"].weight in (0.5, 2)
        kinds.add(trunk.kind)
        depths.add(trunk.depth)
    assert kinds == {"gcn", "gine"}
    assert depths == {2, 4, 6}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no option"),
        ("optimizer.lrr: [1, 2]", "did you mean 'optimizer.lr'"),
        ("optimizer.lr: {low: 1, high: 0.1}", "low should be below high"),
        ("optimizer.lr: {low: 0, high: 0.1, log: true}", "log needs a low above 0"),
        ("optimizer.lr: {low: 1, hihg: 2}", "did you mean 'high'"),
        ("optimizer.lr: {low: 1}", "high should be a number, got nothing"),
        ("optimizer.lr: 0.1", "should be a list of choices or"),
        ("optimizer.lr: [0.1]", "at least two choices"),
        ("optimizer.lr: [0.1, 0.1]", "written twice"),
        ("model.trunk.depth: {low: 1, high: 2.5}", "high should be an integer"),
        ("model.trunk.depth: {low: 1, high: 4, step: 9}", "step should be above 0"),
        ("model.trunk.norm: {low: 1, high: 2}", "takes no numbers"),
        ("model.pooling.0: [1, 2]", "is a list"),
        ("model.trunk.depth: {choices: [1, 2], when: {model.trunk.kind: gcn}}", "no list of"),
        (
            "model.trunk.kind: [gcn, gine]\nmodel.trunk.depth: "
            "{choices: [1, 2], when: {model.trunk.kind: gat}}",
            "is never gat",
        ),
        ("a: [1", "not YAML"),
    ],
)
def test_what_cannot_be_searched_is_said_with_its_line(tmp_path, text, said):
    with pytest.raises(ConfigError, match=r"space\.yaml") as error:
        read(tmp_path, text)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model.trunk.norm: [layer, bach]", "did you mean 'batch'"),
        ("model.trunk.depth: {low: 0, high: 4}", "should be greater than 0"),
        ("tasks.z.weight: [1, 2]", "tasks.z"),
        ("model.trunk.kind: [gcn, gine]\nmodel.trunk.learn_epsilon: [true, false]", "gcn"),
    ],
)
def test_values_that_the_experiment_refuses_are_found_before_the_first_trial(
    tmp_path, load, text, said
):
    space = read(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        check_space(space, load)
    assert said in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no file.*absent\.yaml"):
        read_space(tmp_path / "absent.yaml")
