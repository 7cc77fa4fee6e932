from dataclasses import replace

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GINEConv, global_add_pool

from graphium.batching.collate import collate
from graphium.errors import DataError
from graphium.graphs.mol_batch import MolBatch
from graphium.testing.toy import toy_mix


@pytest.fixture(scope="module")
def batch():
    mix = toy_mix()
    ends = mix.graphs.bond_ends.astype(np.float32)
    graphs = replace(mix.graphs, bond_encodings={"sum": ends.sum(1, keepdims=True)})
    return collate(graphs, mix.tasks, np.array([4, 19, 0, 30]), {})


def edges(pyg, *values):
    return sorted(torch.cat([pyg.edge_index.T.float(), pyg.edge_attr, *values], dim=1).tolist())


def test_a_torch_geometric_layer_runs_on_a_converted_batch(batch):
    pyg = batch.to_pyg()
    layer = GINEConv(torch.nn.Linear(pyg.x.shape[1], 3), edge_dim=pyg.edge_attr.shape[1])

    pooled = global_add_pool(layer(pyg.x, pyg.edge_index, pyg.edge_attr), pyg.batch)

    assert pyg.num_graphs == 4
    assert pyg.ptr.tolist() == [0, 4, 9, 10, 16]
    assert pooled.shape == (4, 3)
    assert torch.equal(pyg.y_toy_atoms, batch.labels["toy_atoms"].values)
    assert torch.equal(pyg.rows_toy_atoms, batch.labels["toy_atoms"].rows)


def test_a_batch_survives_the_way_to_torch_geometric_and_back(batch):
    pyg = batch.to_pyg()

    back = MolBatch.from_pyg(pyg, encodings=["random_walk"], bond_encodings=["sum"])

    assert edges(back.to_pyg()) == edges(pyg)
    assert torch.equal(back.to_pyg().x, pyg.x)
    assert torch.equal(back.molecule, batch.molecule)
    assert torch.equal(back.encodings["random_walk"], batch.encodings["random_walk"])
    assert back.num_bonds == batch.num_bonds
    again = back.to_pyg()
    assert edges(again, again.edge_sum) == edges(pyg, pyg.edge_sum)


def test_values_of_bonds_travel_with_their_bonds(batch):
    pyg = batch.to_pyg()
    first_atom = pyg.ptr[pyg.batch[pyg.edge_index]]

    assert torch.equal(pyg.edge_sum[:, 0], (pyg.edge_index - first_atom).sum(0).float())


def test_values_that_differ_between_the_directions_of_a_bond_are_refused(batch):
    pyg = batch.to_pyg()
    pyg.edge_sum[0] += 1

    with pytest.raises(DataError, match="both directions of every bond"):
        MolBatch.from_pyg(pyg, bond_encodings=["sum"])


def test_edges_of_a_pyg_batch_may_come_in_any_order(batch):
    pyg = batch.to_pyg()
    order = torch.randperm(pyg.num_edges, generator=torch.Generator().manual_seed(0))
    pyg.edge_index, pyg.edge_attr = pyg.edge_index[:, order], pyg.edge_attr[order]

    back = MolBatch.from_pyg(pyg)

    forward, reverse = back.bond_index.split(back.num_bonds, dim=1)
    assert torch.equal(forward, reverse.flip(0))
    assert edges(back.to_pyg()) == edges(pyg)


def test_a_single_molecule_without_a_batch_vector_is_one_molecule():
    data = Data(
        x=torch.ones(2, 1), edge_index=torch.tensor([[0, 1], [1, 0]]), edge_attr=torch.ones(2, 1)
    )

    assert MolBatch.from_pyg(data).num_molecules == 1
    assert MolBatch.from_pyg(Batch.from_data_list([data, data])).num_molecules == 2


@pytest.mark.parametrize(
    ("edge_index", "edge_attr"),
    [
        ([[0], [1]], [[1.0]]),
        ([[0, 1], [1, 0]], [[1.0], [2.0]]),
        ([[0, 1, 0], [1, 0, 0]], [[1.0], [1.0], [1.0]]),
        ([[0, 1, 1, 2], [1, 0, 0, 1]], [[1.0]] * 4),
    ],
)
def test_edges_that_are_not_bonds_in_both_directions_are_refused(edge_index, edge_attr):
    data = Data(
        x=torch.ones(3, 1),
        edge_index=torch.tensor(edge_index),
        edge_attr=torch.tensor(edge_attr),
    )

    with pytest.raises(DataError, match="both directions of every bond"):
        MolBatch.from_pyg(data)


def test_moving_a_batch_moves_every_tensor(batch):
    moved = batch.to("meta")

    tensors = [moved.atom_table, moved.atom_code, moved.bond_table, moved.bond_code]
    tensors += [moved.bond_index, moved.molecule, moved.keys, *moved.encodings.values()]
    tensors += moved.bond_encodings.values()
    for labels in moved.labels.values():
        tensors += [labels.rows, labels.values, labels.weights]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
