"""The JSON schema for editors and the manual of all options."""

import json
import re
from pathlib import Path

import pytest
import yaml

from graphium.config.experiment import Experiment
from graphium.config.options import ROOT, option_names, walk_options
from graphium.config.schema import json_schema, markdown_reference

REPOSITORY = Path(__file__).parents[2]
YAML_FILES = sorted(
    path
    for folder in ("expts", "data")
    for path in REPOSITORY.glob(f"{folder}/**/*.yaml")
    if path.name not in ("sources.yaml", "generate.yaml")
)


def test_every_option_has_a_docstring():
    undocumented = [
        name for name, _, field in walk_options() if not field.description and "kind" not in name
    ]
    assert not undocumented


def test_option_names_lead_through_names_and_kinds():
    names = option_names()
    assert {"datasets.NAME.split.file", "model.trunk.learn_epsilon", "tasks.NAME.loss"} <= set(
        names
    )
    assert len(names) == len(set(names))


def test_the_default_kind_is_that_of_the_default_section():
    trunk = ROOT.child("model").child("trunk")
    assert trunk.default_kind == "gine"
    assert ROOT.child("optimizer").default_kind == "adamw"
    assert ROOT.child("batch").default_kind is None


@pytest.mark.parametrize(
    ("option", "takes_text", "names_file"),
    [
        ("name", True, False),
        ("seed", False, False),
        ("trainer.precision", True, False),
        ("datasets.freesolv.table", True, True),
        ("datasets.freesolv.smiles", True, False),
        ("datasets.freesolv.split.file", True, True),
        ("tasks.one.labels", False, False),
        ("tasks.one.labels.0", True, False),
        ("datasets.freesolv.split.fractions.2", False, False),
        ("finetune.checkpoint", True, True),
        ("no.such.option", False, False),
    ],
)
def test_the_schema_says_where_text_is_wanted_and_where_files_are_named(
    option, takes_text, names_file
):
    spot = ROOT
    for step in option.split("."):
        spot = spot.child(int(step) if step.isdecimal() else step)
    assert (spot.takes_text, spot.names_file) == (takes_text, names_file)


def test_the_schema_is_json_and_describes_each_option():
    schema = json.loads(json.dumps(json_schema()))
    assert schema["properties"]["seed"]["description"] == (
        Experiment.model_fields["seed"].description
    )
    assert "extends" in schema["properties"]


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_editors_accept_the_files_of_this_repository(path):
    jsonschema = pytest.importorskip("jsonschema", reason="no JSON schema validator installed")
    values = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
    values.get("optimizer", {}).pop("lr", None)  # PyYAML reads 1e-3 as text
    jsonschema.Draft202012Validator(json_schema()).validate(values)


@pytest.mark.parametrize(
    "wrong",
    [{"trainr": {}}, {"trainer": {"max_epoch": 3}}, {"model": {"trunk": {"kind": "x"}}},
     {"model": {"trunk": {"depth": "four"}}}, {"extends": 5}],
)  # fmt: skip
def test_editors_mark_what_the_loader_refuses(wrong):
    jsonschema = pytest.importorskip("jsonschema", reason="no JSON schema validator installed")
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(wrong)


def test_editors_accept_a_file_that_changes_one_option_of_a_task_that_it_extends():
    jsonschema = pytest.importorskip("jsonschema", reason="no JSON schema validator installed")
    changed = {"extends": "mix.yaml", "tasks": {"tox21": {"weight": 2.0}}}
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(changed)


def test_editors_accept_a_section_that_leaves_its_kind_out():
    jsonschema = pytest.importorskip("jsonschema", reason="no JSON schema validator installed")
    validator = jsonschema.Draft202012Validator(json_schema())
    assert validator.is_valid({"model": {"trunk": {"depth": 3}}})


def test_the_manual_holds_every_option_once_under_its_section():
    manual = markdown_reference()
    for name in option_names():
        parent, _, key = name.rpartition(".")
        title = f"`{parent}`" if parent else "Top level"
        sections = re.findall(rf"^## {re.escape(title)}.*?(?=^## |\Z)", manual, re.M | re.S)
        assert any(f"| `{key}` |" in section for section in sections), name


@pytest.mark.parametrize(
    "row",
    [
        "| `max_epochs` | integer, > 0 | `20` | Passes over the training molecules. |",
        "| `table` | text, or a list of such | **required** |",
        "| `level` | `graph`, `node`, `edge`, `nodepair` | `graph` |",
        "| `clip_norm` | number or null, > 0 | `1.0` |",
        "| `residual` | true or false | `true` |",
        "| `trunk` | section | kind `gine` | The message-passing layers. |",
        "| `fractions` | list of 3 numbers | `[0.8, 0.1, 0.1]` |",
        "| `categories` | list of text by name | `{}` |",
        "| `early_stopping` | section or null | `null` |",
    ],
)
def test_the_manual_tells_type_limits_and_default(row):
    assert row in markdown_reference()


def test_every_table_of_the_manual_is_well_formed():
    for line in markdown_reference().splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 5, line


def test_the_manual_names_every_kind_and_tells_each_option_once():
    text = markdown_reference()
    assert "PydanticUndefined" not in text
    for table in text.split("## ")[1:]:
        rows = [line for line in table.splitlines() if line.startswith("| `")]
        assert len(rows) == len(set(rows)), table
