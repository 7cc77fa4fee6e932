"""Every labelled molecule, atom and bond is evaluated once, under its own name."""

import numpy as np
import pytest
import torch

from graphium.batching.loader import EvalLoader, evaluation_batches
from graphium.batching.maker import HostMaker
from graphium.batching.static import StaticMaker
from graphium.graphs.mol_batch import BatchShape
from graphium.nn.build import build_network
from graphium.testing.toy import toy_experiment, toy_mix
from graphium.training.evaluation import PassMeter, to_units


@pytest.fixture(scope="module")
def mix():
    return toy_mix()


def collect(mix, size, shape=None):
    experiment = toy_experiment()
    network = build_network(experiment.model, experiment.features, mix.specs, seed=3).eval()
    meter = PassMeter(mix.specs, limit=10**9, keep_rows=True)
    everything = np.arange(len(mix.part))
    with torch.no_grad():
        batches = evaluation_batches(everything, size)
        maker = HostMaker(mix.graphs, mix.tasks)
        for batch in EvalLoader(maker if shape is None else StaticMaker(maker, shape), batches):
            meter.add(batch, network(batch))
    return meter.rows()


@pytest.mark.parametrize("size", [1, 7, 100])
def test_rows_carry_the_labels_of_their_molecule_atom_or_bond(mix, size):
    for name, rows in collect(mix, size).items():
        task = mix.tasks[name]
        place = np.searchsorted(task.molecule, rows.molecule)
        expected = task.values[task.offset[place] + rows.inner]
        np.testing.assert_array_equal(rows.labels, expected)
        known = ~np.isnan(task.values).all(1)
        assert len(np.unique(np.stack([rows.molecule, rows.inner]), axis=1).T) == len(rows.labels)
        assert np.isfinite(rows.labels).any(1).sum() == known.sum()


def test_ends_of_bonds_are_atoms_of_their_molecule(mix):
    rows = collect(mix, 7)["toy_bonds"]
    bond = mix.graphs.bond_offset[rows.molecule] + rows.inner
    np.testing.assert_array_equal(rows.ends, mix.graphs.bond_ends[bond])


def test_predictions_do_not_depend_on_the_batch_size(mix):
    alone, together = collect(mix, 1), collect(mix, 100)
    for name in alone:
        np.testing.assert_allclose(
            alone[name].predictions, together[name].predictions, rtol=1e-4, atol=1e-5
        )


def test_padding_is_not_evaluated(mix):
    plain = collect(mix, 10)
    padded = collect(mix, 10, BatchShape(200, 200, 20, dict.fromkeys(mix.tasks, 900)))
    for name, rows in plain.items():
        np.testing.assert_array_equal(padded[name].molecule, rows.molecule)
        np.testing.assert_array_equal(padded[name].inner, rows.inner)
        np.testing.assert_array_equal(padded[name].labels, rows.labels)
        np.testing.assert_allclose(padded[name].predictions, rows.predictions, rtol=1e-4, atol=1e-5)


def test_outputs_become_units_and_probabilities(mix):
    specs = {spec.name: spec for spec in mix.specs}
    size = specs["toy_size"]
    zeros = torch.zeros(2, len(size.labels))
    np.testing.assert_allclose(to_units(size, zeros)[0], size.mean, rtol=1e-6)
    np.testing.assert_allclose(
        to_units(size, zeros + 1)[0] - to_units(size, zeros)[0], size.std, rtol=1e-5
    )
    assert (to_units(specs["toy_active"], torch.zeros(2, 2)) == 0.5).all()
    classes = to_units(specs["toy_class"], torch.randn(4, 3))
    assert classes.shape == (4, 1, 3)
    torch.testing.assert_close(classes.sum(2), torch.ones(4, 1))
