"""What reads SMILES after training sees the hydrogens that training saw."""

import numpy as np
import pandas as pd
import pytest
from tiny_model import SPECS, tiny_experiment

from graphium.apply.baseline_rows import task_rows
from graphium.apply.model import Model
from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.molecules.draw import draw_svg
from graphium.molecules.parse import parse_smiles
from graphium.nn.build import build_network
from graphium.store.prepare import prepare_experiment

SMILES = ["CCO", "[H]OC", "c1ccccc1", "C[NH3+].[Cl-]"]


@pytest.mark.parametrize(
    ("hydrogens", "atoms"),
    [("implicit", [3, 2, 6, 3]), ("written", [3, 3, 6, 3]), ("explicit", [9, 6, 12, 9])],
)
def test_a_model_predicts_and_embeds_the_atoms_of_its_datasets(hydrogens, atoms):
    dump = tiny_experiment().model_dump(mode="json")
    dump["datasets"] = {"table": {"table": "table.csv", "hydrogens": hydrogens}}
    experiment = Experiment.model_validate(dump)
    network = build_network(experiment.model, experiment.features, SPECS, seed=1)
    model = Model(network, experiment, SPECS)

    predicted = model.predict(SMILES)

    assert [len(cell) for cell in predicted["q_predicted"]] == atoms
    assert [len(cell) for cell in predicted["r_predicted"]] == [n * (n - 1) // 2 for n in atoms]
    assert np.isfinite(model.embed(SMILES)).all()


def test_the_writing_of_hydrogens_changes_a_prediction_only_where_it_changes_the_graph():
    for hydrogens, is_equal in (("implicit", True), ("written", False), ("explicit", True)):
        dump = tiny_experiment().model_dump(mode="json")
        dump["datasets"] = {"table": {"table": "table.csv", "hydrogens": hydrogens}}
        # Eigenvectors of equal hydrogens depend on their order.
        dump["features"]["encodings"]["laplacian"] = None
        experiment = Experiment.model_validate(dump)
        network = build_network(experiment.model, experiment.features, SPECS, seed=1)
        one, other = Model(network, experiment, SPECS).embed(["CO", "[H]OC"])

        assert np.allclose(one, other, atol=1e-5) == is_equal


@pytest.fixture(scope="module")
def mix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explicit")
    random = np.random.default_rng(0)
    rows = []
    for text in [*SMILES, "CCN", "CC(=O)O", "[H]CF", "CCCl"]:
        mol = parse_smiles(text, "explicit")
        n, bonds = mol.GetNumAtoms(), mol.GetNumBonds()
        sizes = {"q": n, "d": bonds, "r": n * (n - 1) // 2}
        rows.append({"smiles": text, **{k: random.normal(size=s) for k, s in sizes.items()}})
    pd.DataFrame(rows).to_parquet(folder / "table.parquet")
    levels = {"q": "node", "d": "edge", "r": "nodepair"}
    experiment = Experiment.model_validate(
        {
            "name": "t",
            "datasets": {
                "d": {
                    "table": str(folder / "table.parquet"),
                    "hydrogens": "explicit",
                    "levels": levels,
                    "computed": ["gasteiger_charge", "mmff_bond_length", "descriptors"],
                }
            },
            "tasks": {
                name: {"dataset": "d", "level": level, "labels": [name], "loss": "mae"}
                for name, level in {**levels, "gasteiger_charge": "node"}.items()
            },
        }
    )
    prepare_experiment(experiment, folder / "root", workers=1)
    return open_mix(experiment, folder / "root")


@pytest.mark.parametrize("task", ["q", "d", "r", "gasteiger_charge"])
def test_baselines_see_a_row_for_each_atom_bond_and_pair(mix, task):
    rows = task_rows(mix, task)

    assert len(rows.labels) == len(mix.tasks[task].values)
    assert len(rows.features(np.arange(len(rows.labels)))) == len(rows.labels)


def test_hydrogens_can_be_highlighted():
    assert draw_svg("C", atoms=[4], hydrogens="explicit").startswith("<svg")
