"""Whatever a file holds, its reader finds a value or says what is wrong, soon and in little room.

``mutations.py`` says how files are changed; a failure names the mutation, which can be repeated.
"""

import io
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from fabricated_run import fabricate_run
from mutations import Form, hunt

from graphium.apply.finished_run import read_run
from graphium.checkpoint.format import ModelRecord
from graphium.checkpoint.load import read_experiment, read_model, read_training
from graphium.checkpoint.manifest import make_manifest
from graphium.checkpoint.save import write_checkpoint
from graphium.config.load import load_config
from graphium.config.recipe import load_recipe
from graphium.config.sources import load_sources
from graphium.labels.columns import read_lists, read_numbers, read_smiles, read_text, scan_table
from graphium.labels.split_files import read_split_file
from graphium.labels.table import find_smiles_column, open_table
from graphium.store.commit import read_records
from graphium.store.files import canonical_json
from graphium.store.layout import COMMITS, MANIFEST, PLAN
from graphium.store.manifest import build_manifest, read_manifest, sign
from graphium.store.planning import load_plan
from graphium.store.records import Plan, SegmentRecord
from graphium.studies.journal import JOURNAL, Journal
from graphium.studies.space import read_space

FEW, MANY = 120, 20_000
"""Changed copies of a file; ``MANY`` are those of a reader, of whatever files it reads."""

Read = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Target:
    """One file and its reader."""

    form: Form
    make: Callable[[Path], tuple[bytes, Read]]
    """Writes the file, as it should be, below a folder."""
    protected: bool = False
    share: int = 1
    """Files, this one among them, that go through the same reader."""


def at(path: Path, read: Callable[[Path], object]) -> Read:
    def write_and_read(content: bytes) -> object:
        path.write_bytes(content)
        return read(path)

    return write_and_read


PLAN_OF_STORE = {
    "source": "t.csv", "source_sha256": "a" * 64, "options": {"format": ".csv"}, "smiles": "smiles",
    "rows": 5, "segment_rows": 3, "skipped": {"id": "text"}, "infinite": {}, "computed": [],
    "columns": [{"name": "y", "level": "graph", "kind": "number"}], "versions": {"rdkit": "1"},
}  # fmt: skip


def segment(number: int, rows: int) -> SegmentRecord:
    shapes = {"status": [rows], "n_atoms": [rows], "atom_code": [7], "bond_code": [6]}
    return SegmentRecord.model_validate(
        {
            "segment": number, "folder": f"segments/{number}", "first_row": 3 * number,
            "rows": rows, "molecules": rows, "atoms": 7, "bonds": 6, "failures": {},
            "coverage": {"y": {"molecules": 1, "labels": 1}}, "num_by_getters": 0,
            "versions": {"rdkit": "1"}, "files": {"status/c.0": {"size": 3, "sha256": "b" * 64}},
            "arrays": {
                name: {"shape": shape, "dtype": "uint8", "sha256": "c" * 64}
                for name, shape in shapes.items()
            },
        }
    )  # fmt: skip


def store(folder: Path) -> tuple[Path, bytes]:
    """Write the files of a store that hold JSON; return its folder and the manifest."""
    plan = Plan.model_validate(PLAN_OF_STORE)
    records = [segment(0, 3), segment(1, 2)]
    path = folder / f"t-{plan.key}"
    (path / COMMITS).mkdir(parents=True)
    (path / PLAN).write_bytes(canonical_json(plan.model_dump(mode="json")))
    for one in records:
        text = canonical_json(one.model_dump(mode="json"))
        (path / COMMITS / f"{one.segment:05d}.json").write_bytes(text)
    manifest = build_manifest(path, plan, records, [PLAN])
    return path, canonical_json(manifest.model_dump(mode="json"))


def store_manifest(folder: Path) -> tuple[bytes, Read]:
    path, content = store(folder)
    return content, at(path / MANIFEST, lambda file: read_manifest(file.parent))


def signed_manifest(folder: Path) -> tuple[bytes, Read]:
    path, content = store(folder)

    def read(changed: bytes) -> object:
        with suppress(ValueError, RecursionError):
            changed = canonical_json(sign(json.loads(changed)))
        (path / MANIFEST).write_bytes(changed)
        return read_manifest(path)

    return content, read


def store_record(folder: Path) -> tuple[bytes, Read]:
    path, _ = store(folder)
    file = path / COMMITS / "00001.json"
    return file.read_bytes(), at(file, lambda _: read_records(path))


def store_plan(folder: Path) -> tuple[bytes, Read]:
    path, _ = store(folder)
    return (path / PLAN).read_bytes(), at(path / PLAN, lambda file: load_plan(file).num_segments)


EXPERIMENT = b"""\
name: e
extends: base.yaml
datasets: {qm9: {table: $HOME/a.csv, categories: {c: [a, 'b']}}}
tasks:
  t: {dataset: qm9, labels: [y], loss: mae}
optimizer: {kind: sgd, lr: 1e-2}
"""


def experiment(folder: Path) -> tuple[bytes, Read]:
    (folder / "base.yaml").write_text("trainer: {max_epochs: 3}\n")
    return EXPERIMENT, at(folder / "e.yaml", lambda file: load_config(file).experiment)


SOURCES = b"""\
datasets:
  qm9:
    licence: CC0
    files: [{url: 'https://example.org/a.zip', size: 12, unpack: true}]
"""
RECIPE = b"""\
tables:
  a:
    file: a.csv.gz
    rows: 10
    columns: [{kind: number, names: [y]}]
    parts: {file: s.json, shares: {train: 0.8, val: 0.2}}
"""
MODEL = ["model.json", "model.safetensors", "training.json", "training.safetensors"]


def checkpoint(folder: Path) -> Path:
    path = folder / "step-1"
    task = {"name": "t", "dataset": "d", "level": "graph", "labels": ["y"], "loss": "mae"}
    record = {
        "experiment": {
            "name": "e",
            "datasets": {"d": {"table": "d.csv"}},
            "tasks": {"t": {"dataset": "d", "labels": ["y"], "loss": "mae"}},
        },
        "tasks": [{**task, "metrics": ["mae"], "unit": None, "mean": [0.1], "std": [1.5]}],
        "graphium_version": "0.1.0",
    }
    weights = {"trunk.weight": torch.ones(3, 4), "heads.bias": torch.zeros(0)}
    training = {"epoch": 3, "state": {0: (torch.tensor(7.0), float("inf"))}}
    write_checkpoint(path, ModelRecord.model_validate(record), weights, training)
    return path


def checkpoint_manifest(folder: Path) -> tuple[bytes, Read]:
    path = checkpoint(folder)

    def read(_: Path) -> object:
        record, weights = read_model(path)
        return record, {name: value.tolist() for name, value in weights.items()}

    return (path / "MANIFEST.json").read_bytes(), at(path / "MANIFEST.json", read)


def signed_file(name: str) -> Callable[[Path], tuple[bytes, Read]]:
    """Change a file of a checkpoint and let its manifest agree, as its writer would."""

    def make(folder: Path) -> tuple[bytes, Read]:
        path = checkpoint(folder)

        def read(file: Path) -> object:
            (path / "MANIFEST.json").write_bytes(make_manifest(path, MODEL).render())
            if name.startswith("training"):
                return read_training(path)
            return read_experiment(read_model(path)[0], path)

        return (path / name).read_bytes(), at(path / name, read)

    return make


CSV = b"""\
smiles,y,kind,charge,distance
CCO,1.0,a,"[1, 2, 3]","[[0, 1], [1, 0]]"
OCC,-3.5e-2,b,"[30, null]",
CN,nan,,[7],"two
lines"
"""
SDF = b"""\
one


  1  0  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
M  END
> <y>
1.5

>  <atom.dprop.q>
[n/a] 0.1 n/a

$$$$
"""


def parquet() -> bytes:
    rows = pa.table(
        {
            "smiles": ["CCO", "CC", "C"],
            "y": [1.0, None, 2.0],
            "kind": pa.array(["a", "b", None]).dictionary_encode(),
            "q": [[1.0, 2.0, 3.0], None, [1.0]],
            "r": [[[1.0, 2.0], [2.0, 1.0]], None, []],
        }
    )
    out = io.BytesIO()
    pa.parquet.write_table(rows, out)
    return out.getvalue()


def table(name: str, content: bytes) -> Callable[[Path], tuple[bytes, Read]]:
    readers = {"number": read_numbers, "text": read_text, "list": read_lists}

    def read(file: Path) -> object:
        opened = open_table(file)
        smiles = find_smiles_column(opened, None)
        columns = scan_table(opened, smiles).columns
        for batch in opened.batches():
            read_smiles(batch.column(smiles))
            for one in columns:
                if one.kind != "skipped":
                    readers[one.kind](batch.column(one.name))
        return len(columns)

    return lambda folder: (content, at(folder / name, read))


SPACE = b"optimizer.lr: {low: 1e-5, high: 1e-2, log: true}\nmodel.trunk.kind: [gcn, gine]\n"


def journal(folder: Path) -> tuple[bytes, Read]:
    (folder / "space.yaml").write_bytes(SPACE)
    space = read_space(folder / "space.yaml")

    def open_journal(_: Path) -> Journal:
        return Journal(
            folder, space, direction="minimize", pruner="none", max_epochs=5, seed=0
        )  # fmt: skip

    made = open_journal(folder)
    made.top_up(2)
    trial = made.begin(0)
    trial.report(0.5, 1)
    made.finish(trial, 0.5, 1)
    file = folder / JOURNAL
    return file.read_bytes(), at(file, lambda _: open_journal(file).best())


def results(folder: Path) -> tuple[bytes, Read]:
    run = fabricate_run(folder / "run", rows=2)
    file = run / "results.json"
    return file.read_bytes(), at(file, lambda _: read_run(run).results)


def split(folder: Path) -> tuple[bytes, Read]:
    content = b'{"train": [0, 1, 2], "val": [3], "test": [4]}'
    return content, at(folder / "s.json", lambda file: list(read_split_file(file, None)))


TARGETS = {
    "manifest of a store": Target("json", store_manifest, protected=True),
    "manifest of a store, signed anew": Target("values", signed_manifest),
    "record of a segment": Target("json", store_record, share=2),
    "plan of a store": Target("json", store_plan, share=2),
    "experiment": Target("yaml", experiment),
    "sources of a mix": Target(
        "yaml", lambda folder: (SOURCES, at(folder / "sources.yaml", load_sources)), share=2
    ),
    "recipe of a mix": Target(
        "yaml", lambda folder: (RECIPE, at(folder / "generate.yaml", load_recipe)), share=2
    ),
    "space of a sweep": Target(
        "yaml", lambda folder: (SPACE, at(folder / "s.yaml", read_space)), share=2
    ),
    "manifest of a checkpoint": Target("json", checkpoint_manifest, protected=True),
    "model.json": Target("json", signed_file("model.json"), share=2),
    "model.safetensors": Target("safetensors", signed_file("model.safetensors")),
    "training.json": Target("json", signed_file("training.json"), share=2),
    "csv": Target("csv", table("t.csv", CSV), share=3),
    "parquet": Target("bytes", table("t.parquet", parquet()), share=3),
    "sdf": Target("sdf", table("t.sdf", SDF), share=3),
    "split file": Target("json", split, share=2),
    "journal of a sweep": Target("json lines", journal),
    "results of a run": Target("json", results),
}


@pytest.fixture(autouse=True)
def _quiet():
    """Thousands of warnings about one file are of no use."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def hunt_in(name: str, folder: Path, count: int) -> None:
    target = TARGETS[name]
    content, read = target.make(folder)
    found = hunt(content, target.form, read, count, protected=target.protected)
    assert found["refused"]


@pytest.mark.parametrize("name", TARGETS)
def test_a_changed_file_is_read_or_refused_in_words(name, tmp_path):
    hunt_in(name, tmp_path, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_20000_changed_files_of_each_reader_are_read_or_refused_in_words(name, tmp_path):
    hunt_in(name, tmp_path, MANY // TARGETS[name].share)


def test_the_harness_names_a_mutation_that_can_be_repeated(tmp_path):
    def read(content: bytes) -> object:
        return json.loads(content)["a"]

    with pytest.raises(AssertionError, match=r"for mutate\(content, 'json', \d+\), which does: "):
        hunt(b'{"a": 1}', "json", read, 50)


def test_the_harness_finds_a_value_that_a_checksum_should_have_refused():
    with pytest.raises(AssertionError, match="a wrong value was taken"):
        hunt(b"content", "bytes", lambda content: content, 50, protected=True)
