import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors

from graphium.apply import baselines
from graphium.apply.baseline_rows import task_rows
from graphium.apply.baselines import score, write_baselines
from graphium.apply.finished_run import read_run
from graphium.apply.same_data import check_same_data
from graphium.batching.mix import open_mix
from graphium.batching.mix_data import Mix
from graphium.config.dump import dump_yaml
from graphium.config.experiment import Experiment
from graphium.config.load import load_config
from graphium.errors import DataError
from graphium.store.prepare import cache_root, prepare_experiment

HEADS = ["C", "CC", "CCC", "CCCC", "CC(C)", "C1CCCCC1", "c1ccccc1", "c1ccncc1", "CC(C)(C)", "C=C"]
TAILS = ["O", "N", "Cl", "Br", "C(=O)O", "C#N", "C(=O)N", "OC", "F", "CO", "CCl", "C(C)=O"]
Change = Callable[[Callable[[list[str]], list[str]]], Path]
SMILES = [head + tail for head in HEADS for tail in TAILS]

CONFIG = """
name: toy
datasets:
  toy:
    table: {table}
    split: {{kind: random, fractions: [0.7, 0.15, 0.15]}}
    computed: [gasteiger_charge, mmff_bond_length]
tasks:
  numbers: {{dataset: toy, labels: [weight, gap], loss: mae}}
  oxygen: {{dataset: toy, labels: [oxygen], loss: bce}}
  kind: {{dataset: toy, labels: [kind], loss: ce, num_classes: 3}}
  charge: {{dataset: toy, level: node, labels: [gasteiger_charge], loss: mae}}
  length: {{dataset: toy, level: edge, labels: [mmff_bond_length], loss: mae}}
  apart: {{dataset: toy, level: nodepair, labels: [apart], loss: mae}}
report: {{trees: 30}}
"""


def _table() -> str:
    lines = ["smiles,weight,gap,oxygen,kind,apart"]
    for i, smiles in enumerate(SMILES):
        mol = Chem.MolFromSmiles(smiles)
        weight = Descriptors.MolWt(mol)
        # Resistances to a current through bonds: more ways between two atoms are less of it.
        laplacian = np.diag([a.GetDegree() for a in mol.GetAtoms()]) - Chem.GetAdjacencyMatrix(mol)
        inverse = np.linalg.pinv(laplacian)
        apart = np.add.outer(np.diag(inverse), np.diag(inverse)) - 2 * inverse
        cell = json.dumps(apart[np.triu_indices(len(apart), 1)].round(5).tolist())
        gap = "" if i % 3 else i % 7
        kind = 2 if "N" in smiles else int("O" in smiles)
        lines.append(f'{smiles},{weight:.3f},{gap},{int("O" in smiles)},{kind},"{cell}"')
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of which baselines need no more than this."""
    root = tmp_path_factory.mktemp("baselines")
    (root / "toy.csv").write_text(_table())
    (root / "toy.yaml").write_text(CONFIG.format(table=root / "toy.csv"))
    experiment = load_config(root / "toy.yaml").experiment
    prepare_experiment(experiment, root / "cache", workers=1)
    mix = open_mix(experiment, root / "cache")
    run = root / "run"
    run.mkdir()
    (run / "config.yaml").write_text(dump_yaml(experiment))
    (run / "splits.json").write_text(json.dumps({"datasets": mix.splits()}))
    tasks = {
        name: {
            "level": task.spec.level,
            "loss": task.spec.loss,
            "labels": task.spec.labels,
            "coverage": mix.report.tasks[name].labels,
        }
        for name, task in mix.tasks.items()
    }
    results = {
        "name": "toy",
        "seed": 1,
        "epochs": 1,
        "parameters": 1,
        "wall_seconds": 1,
        "molecules_per_second": 1,
        "molecules": {part: len(mix.molecules(part)) for part in ("train", "val", "test")},
        "tasks": tasks,
    }
    (run / "results.json").write_text(json.dumps(results))
    return run


@pytest.fixture(scope="module")
def experiment(run: Path) -> Experiment:
    return read_run(run).experiment()


@pytest.fixture(autouse=True)
def _cache(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(run.parent / "cache"))


@pytest.fixture(scope="module")
def mix(run: Path, experiment: Experiment) -> Mix:
    return open_mix(experiment, run.parent / "cache")


def test_every_task_has_a_mean_and_a_forest_that_beats_it(run: Path) -> None:
    tasks = json.loads(write_baselines(run).read_text())["tasks"]

    assert set(tasks) == {"numbers", "oxygen", "kind", "charge", "length", "apart"}
    for name in ("numbers", "charge", "length", "apart"):
        metric = "mae"
        assert 0 < tasks[name]["forest"]["test"][metric] < tasks[name]["mean"]["test"][metric]
        assert tasks[name]["mean"]["val"][metric] > 0
    assert tasks["oxygen"]["mean"]["test"]["auroc"] == 0.5
    assert tasks["oxygen"]["forest"]["test"]["auroc"] > 0.9
    assert tasks["kind"]["forest"]["test"]["accuracy"] > tasks["kind"]["mean"]["test"]["accuracy"]
    assert set(tasks["numbers"]["forest"]["per_label"]) == {"weight", "gap"}
    assert tasks["numbers"]["mean"]["test"]["pearson"] is None


def test_the_mean_is_that_of_the_training_part_alone(run: Path, mix: Mix) -> None:
    tasks = json.loads(write_baselines(run).read_text())["tasks"]
    weights = {row.split(",")[0]: float(row.split(",")[1]) for row in _table().splitlines()[1:]}
    smiles = mix.smiles()
    train = [weights[smiles[i]] for i in mix.molecules("train")]
    test = [weights[smiles[i]] for i in mix.molecules("test")]

    expected = np.abs(np.array(test) - np.mean(train)).mean()

    assert tasks["numbers"]["mean"]["per_label"]["weight"]["test"]["mae"] == pytest.approx(
        expected, rel=1e-5
    )


def test_a_kind_is_element_degree_and_hybridisation_or_bond_type_and_ends(mix: Mix) -> None:
    smiles = mix.smiles()
    atoms, bonds = task_rows(mix, "charge"), task_rows(mix, "length")
    kinds: dict[int, set[tuple]] = {}
    flat = [
        atom
        for i in mix.tasks["charge"].molecule
        for atom in Chem.MolFromSmiles(smiles[i]).GetAtoms()
    ]
    assert len(flat) == len(atoms.labels)
    for group, atom in zip(atoms.groups[0].tolist(), flat, strict=True):
        kind = atom.GetAtomicNum(), atom.GetDegree(), atom.GetHybridization()
        kinds.setdefault(group, set()).add(kind)

    assert all(len(same) == 1 for same in kinds.values())
    assert len(kinds) == len(set.union(*kinds.values()))
    assert len(atoms.groups) == len(bonds.groups) == 3
    assert len(set(bonds.groups[0].tolist())) > len(set(bonds.groups[2].tolist())) > 1


def test_a_kind_of_pair_is_its_elements_and_the_bonds_between_them(mix: Mix) -> None:
    rows, task, smiles = task_rows(mix, "apart"), mix.tasks["apart"], mix.smiles()
    expected: list[tuple] = []
    for molecule in task.molecule:
        mol = Chem.MolFromSmiles(smiles[molecule])
        numbers, bonds = [a.GetAtomicNum() for a in mol.GetAtoms()], Chem.GetDistanceMatrix(mol)
        expected += [
            (int(bonds[a, b]), *sorted((numbers[a], numbers[b])))
            for a, b in itertools.combinations(range(len(numbers)), 2)
        ]

    found = [(k >> 32, k >> 16 & 65535, k & 65535) for k in rows.groups[0].tolist()]

    assert found == expected
    assert len(rows.labels) == len(expected)


def test_pairs_of_many_training_molecules_are_thinned_and_it_says_so(
    mix: Mix, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = task_rows(mix, "apart")
    monkeypatch.setattr("graphium.apply.baseline_rows.MAX_TRAIN_MOLECULES_OF_PAIRS", 20)

    rows = task_rows(mix, "apart")
    scored = score(rows, 5)

    assert scored["mean"].method == (
        "mean of the training pairs of the same elements, as many bonds apart "
        "(pairs of 20 of 80 training molecules)"
    )
    assert scored["forest"].method.endswith("between them (pairs of 20 of 80 training molecules)")
    assert (rows.part == 0).sum() < (whole.part == 0).sum()
    assert (rows.part > 0).sum() == (whole.part > 0).sum()


def test_a_forest_is_not_asked_about_too_many_pairs(
    mix: Mix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "MAX_HELD_OUT_PAIRS", 10)

    scored = score(task_rows(mix, "apart"), 5)

    assert "pairs of atoms are held out; at most 10 are described" in scored["forest"].method
    assert scored["mean"].test["mae"] > 0


def test_many_training_rows_are_thinned_and_it_says_so(
    mix: Mix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "MAX_TRAIN_ENVIRONMENTS", 50)
    monkeypatch.setattr(baselines, "MAX_ENVIRONMENT_TREES", 7)
    rows = task_rows(mix, "charge")
    num_train = int((rows.part == 0).sum())

    first, second = score(rows, 30)["forest"], score(rows, 30)["forest"]

    assert first.method == (
        "random forest of 7 trees on the environment of the atom, "
        f"fitted to 50 of {num_train} training rows"
    )
    # Threads add up the trees in any order: the last bit may differ.
    assert first.test == pytest.approx(second.test, rel=1e-12)


def test_a_task_that_needs_too_many_forests_says_so_and_keeps_its_mean(
    mix: Mix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphium.apply.forests.MAX_FITS", 1)

    scored = score(task_rows(mix, "numbers"), 5)

    assert scored["forest"].method == (
        "no random forest: the 2 label columns are missing in 2 different sets of training rows, "
        "each of which needs a forest of its own; at most 1 are grown"
    )
    assert scored["forest"].test == {}
    assert scored["mean"].test["mae"] > 0


def test_a_second_report_reuses_what_was_fitted(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_baselines(run)
    before = path.read_text()
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", "/nonexistent")

    assert write_baselines(run) == path
    assert path.read_text() == before


def test_another_split_or_number_of_trees_is_fitted_again(run: Path, tmp_path: Path) -> None:
    write_baselines(run)
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    key = baselines.baselines_key(read_run(copy))
    assert key == read_run(run).baselines.key

    text = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(text.replace("trees: 30", "trees: 31"))
    assert baselines.baselines_key(read_run(copy)) != key
    (copy / "config.yaml").write_text(text.replace("seed: 42", "seed: 43"))
    assert baselines.baselines_key(read_run(copy)) == key
    (copy / "splits.json").write_text("{}")
    assert baselines.baselines_key(read_run(copy)) != key


def test_seeds_of_one_experiment_share_their_baselines(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_baselines(run)
    for seed in ("seed-1", "seed-2"):
        shutil.copytree(run, tmp_path / seed)
    (tmp_path / "seed-2" / "baselines.json").unlink()
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", "/nonexistent")

    write_baselines(tmp_path / "seed-2")

    assert read_run(tmp_path / "seed-2").baselines == read_run(tmp_path / "seed-1").baselines


def test_stores_that_are_gone_are_named_with_the_command_that_makes_them(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("baselines.json"))
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(tmp_path / "empty"))
    assert cache_root() == tmp_path / "empty"

    with pytest.raises(DataError, match=r"graphium data prepare .*--no-baselines"):
        write_baselines(tmp_path / "run")


@pytest.fixture(scope="module")
def changeable(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run, with its baselines, of a table of its own."""
    folder = tmp_path_factory.mktemp("changeable")
    shutil.copy(run.parent / "toy.csv", folder)
    shutil.copytree(run, folder / "run")
    text = (run / "config.yaml").read_text()
    text = text.replace(str(run.parent / "toy.csv"), str(folder / "toy.csv"))
    (folder / "run" / "config.yaml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHIUM_CACHE_DIR", str(run.parent / "cache"))
        write_baselines(folder / "run")
    return folder


@pytest.fixture
def change(changeable: Path, run: Path, tmp_path: Path) -> Iterator[Change]:
    """Change the table of a run and prepare it anew; return another copy of the run."""

    def change(edit: Callable[[list[str]], list[str]]) -> Path:
        shutil.copytree(changeable / "run", tmp_path / "run")
        table = changeable / "toy.csv"
        table.write_text("\n".join(edit(table.read_text().splitlines())) + "\n")
        experiment = read_run(tmp_path / "run").experiment()
        prepare_experiment(experiment, cache_root(), workers=1)
        return tmp_path / "run"

    yield change
    shutil.copy(run.parent / "toy.csv", changeable)


def _keep_measured(run: Path, mix: Mix, name: str) -> None:
    for part, number in (("val", 1), ("test", 2)):
        task = mix.tasks[name]
        frame = pd.DataFrame(task.values_of(mix.part, number), columns=task.spec.labels)
        path = run / "predictions" / part / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.assign(smiles="C", dataset="toy").to_csv(path, index=False, float_format="%.7g")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: lines[:-5], "the parts of dataset 'toy' changed"),
        (lambda lines: [*lines[:1], *lines[:0:-1]], "the parts of dataset 'toy' changed"),
        (lambda lines: [line.replace(",0,0,", ",,0,") for line in lines], "of task 'numbers'"),
        (lambda lines: [line.replace(",3,", ",4,") for line in lines], "of task 'numbers'"),
    ],
)
def test_a_table_that_changed_since_the_run_is_refused_not_fitted_again(
    change: Change, mix: Mix, edit: Callable[[list[str]], list[str]], message: str
) -> None:
    copy = change(edit)
    _keep_measured(copy, mix, "numbers")
    before = (copy / "baselines.json").read_text()

    with pytest.raises(DataError, match=f"{message}.*--no-baselines"):
        write_baselines(copy)
    assert (copy / "baselines.json").read_text() == before


def test_measured_values_that_a_run_kept_agree_with_the_table_they_came_from(
    run: Path, mix: Mix, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    for name in mix.tasks:
        _keep_measured(tmp_path / "run", mix, name)

    check_same_data(read_run(tmp_path / "run"), mix)


def test_of_too_many_measured_values_a_part_is_kept_and_compared(
    run: Path, mix: Mix, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    _keep_measured(copy, mix, "numbers")
    path = copy / "predictions" / "test" / "numbers.csv"
    kept = pd.read_csv(path).iloc[::2]
    kept.to_csv(path, index=False, float_format="%.7g")
    results = json.loads((copy / "results.json").read_text())
    results["rows_left_out"] = {"test": {"numbers": [len(kept), 2 * len(kept)]}}
    (copy / "results.json").write_text(json.dumps(results))
    check_same_data(read_run(copy), mix)

    kept.assign(weight=kept["weight"] + 0.5).to_csv(path, index=False)
    with pytest.raises(DataError, match="labels of task 'numbers' changed"):
        check_same_data(read_run(copy), mix)


def test_a_table_that_is_gone_is_named(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("toy.csv", "gone.csv"))

    with pytest.raises(DataError, match=r"gone\.csv.*--no-baselines"):
        write_baselines(tmp_path / "run")
