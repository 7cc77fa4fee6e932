"""Conformer features from the experiment to a trained model and its predictions."""

import numpy as np
import pandas as pd
import pytest
import torch

from graphium.apply.model import Model
from graphium.batching.collate import collate
from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.config.tasks import TaskSpec
from graphium.nn.build import build_network
from graphium.store.prepare import prepare_experiment

SMILES = ["CCO", "CC(C)C(=O)O", "c1ccccc1C", "C1=C2C3=C1C23", "[Na+].CC(=O)[O-]", "NCCN", "CCCCC"]


def values(table, **changes):
    conformers = {"kind": "etkdg", "seed": 3}
    return {
        "name": "x",
        "datasets": {"d": {"table": str(table), "conformers": conformers}},
        "features": {
            "bonds": ["bond-type", "conformer-bond-length"],
            "encodings": {"conformer": {"num_kernels": 4}},
        },
        "tasks": {"y": {"dataset": "d", "labels": ["y"], "loss": "mae"}},
        **changes,
    }


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "mols.csv"
    pd.DataFrame({"smiles": SMILES, "y": np.arange(7.0)}).to_csv(path, index=False)
    return path


def test_a_model_predicts_from_the_conformers_it_was_trained_on(table, tmp_path):
    experiment = Experiment.model_validate(values(table))
    prepare_experiment(experiment, tmp_path, workers=1)
    mix = open_mix(experiment, tmp_path)
    network = build_network(experiment.model, experiment.features, mix.specs, seed=0).eval()

    batch = collate(mix.graphs, {}, np.arange(len(SMILES)), {})
    with torch.inference_mode():
        wanted = network(batch)["y"][:, 0].numpy()
    assert set(batch.bond_encodings) == {"conformer_bond_length"}
    assert batch.encodings["conformer"].shape == (batch.num_atoms, 4)

    spec = mix.specs[0].model_copy(update={"mean": None, "std": None})
    predicted = Model(network, experiment, [spec]).predict(mix.smiles())
    np.testing.assert_allclose(predicted["y_predicted"], wanted, rtol=1e-4, atol=1e-5)

    other = values(table)
    other["datasets"]["d"]["conformers"]["seed"] = 4
    moved = Model(network, Experiment.model_validate(other), [spec]).predict(mix.smiles())
    assert np.abs(moved["y_predicted"] - wanted).max() > 1e-4


@pytest.mark.parametrize("compute", ["ahead", "step"])
def test_coordinates_are_read_where_they_are_computed_ahead_only(table, tmp_path, compute):
    chosen = values(table)
    chosen["features"]["encodings"]["compute"] = compute
    experiment = Experiment.model_validate(chosen)
    prepare_experiment(experiment, tmp_path, workers=1)
    graphs = open_mix(experiment, tmp_path).graphs
    assert "conformer" in graphs.encodings
    assert ("random_walk" in graphs.encodings) == (compute == "ahead")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": {"d": {"table": "a.csv"}}}, "add `conformers: {kind: etkdg}`"),
        (
            {
                "datasets": {
                    "d": {"table": "a.csv", "conformers": {"seed": 1}},
                    "e": {"table": "b.csv", "conformers": {"seed": 2}},
                }
            },
            "differs from those of datasets.d",
        ),
        ({"model": {"trunk": {"kind": "gcn"}}}, "does not read 'conformer-bond-length'"),
        ({"features": {"bonds": ["conformer-bond-length"]}}, "tells kinds of bonds apart"),
    ],
)
def test_conformer_features_that_nothing_supplies_or_reads_are_mistakes(changes, message):
    with pytest.raises(ValueError, match=message):
        Experiment.model_validate(values("a.csv", **changes))


def test_molecules_without_the_coordinates_that_a_model_reads_are_counted(table, caplog):
    changed = values(table)
    changed["datasets"]["d"]["conformers"] = {"kind": "given"}
    experiment = Experiment.model_validate(changed)
    spec = TaskSpec(name="y", dataset="d", level="graph", labels=["y"], loss="mae", metrics=["mae"])
    network = build_network(experiment.model, experiment.features, [spec], seed=0)
    model = Model(network, experiment, [spec])

    predicted = model.predict(["CCO", "CCN", "CCO |(0,0,0;1.5,0,0;2,1.4,0)|", "no molecule"])
    assert predicted["y_predicted"].isna().tolist() == [False, False, False, True]
    assert caplog.messages == [
        "2 molecules of 3 without coordinates, which this model reads: it takes 0 for their "
        "conformer features (it was trained on coordinates that the table gives: take an SDF, or "
        "SMILES with coordinates behind them)"
    ]
