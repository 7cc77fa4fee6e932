"""Layers and poolings against PyTorch Geometric."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_molecules import random_molecules, to_batch
from torch_geometric.nn import (
    GCNConv,
    GINEConv,
    global_add_pool,
    global_max_pool,
    global_mean_pool,
)

from graphium.nn.layers.bonds import Bonds
from graphium.nn.layers.gcn import GcnLayer
from graphium.nn.layers.gine import GineLayer
from graphium.nn.pooling import pool

WIDTH, BOND_WIDTH = 6, 4
ANY_SEED = st.integers(0, 2**32 - 1)
QUICK = settings(max_examples=25, deadline=None)


def random_graph(seed):
    batch = to_batch(random_molecules(3, seed))
    generator = torch.Generator().manual_seed(seed)
    atoms = torch.randn(batch.num_atoms, WIDTH, generator=generator, dtype=torch.float64)
    table = torch.randn(5, BOND_WIDTH, generator=generator, dtype=torch.float64)
    code = torch.cat([batch.bond_code, batch.bond_code])
    return atoms.requires_grad_(), Bonds(batch.bond_index, code, table.requires_grad_())


def assert_same_values_and_gradients(ours, theirs, inputs):
    torch.testing.assert_close(ours, theirs)
    weight = torch.arange(ours.numel(), dtype=ours.dtype).reshape(ours.shape).cos()
    for first, second in zip(
        torch.autograd.grad((ours * weight).sum(), inputs),
        torch.autograd.grad((theirs * weight).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(first, second)


@given(seed=ANY_SEED)
@QUICK
def test_gcn_agrees_with_torch_geometric(seed):
    atoms, bonds = random_graph(seed)
    ours = GcnLayer(WIDTH).double()
    theirs = GCNConv(WIDTH, WIDTH).double()
    theirs.lin.weight, theirs.bias = ours.linear.weight, ours.bias
    inputs = [atoms, *ours.parameters()]

    assert_same_values_and_gradients(ours(atoms, bonds), theirs(atoms, bonds.index), inputs)


@given(seed=ANY_SEED, epsilon=st.floats(-1, 1))
@QUICK
def test_gine_agrees_with_torch_geometric(seed, epsilon):
    atoms, bonds = random_graph(seed)
    ours = GineLayer(WIDTH, BOND_WIDTH, activation="silu", learn_epsilon=True).double()
    theirs = GINEConv(ours.mlp.layers, eps=epsilon, train_eps=True, edge_dim=BOND_WIDTH).double()
    theirs.lin, theirs.eps = ours.bond_linear, ours.epsilon
    with torch.no_grad():
        ours.epsilon.fill_(epsilon)
    inputs = [atoms, bonds.table, *ours.parameters()]

    assert_same_values_and_gradients(
        ours(atoms, bonds), theirs(atoms, bonds.index, bonds.table[bonds.code]), inputs
    )


@pytest.mark.parametrize(
    ("kind", "theirs"),
    [("sum", global_add_pool), ("mean", global_mean_pool), ("max", global_max_pool)],
)
def test_pooling_agrees_with_torch_geometric(kind, theirs):
    batch = to_batch(random_molecules(7))
    atoms = torch.randn(batch.num_atoms, WIDTH, dtype=torch.float64, requires_grad=True)

    ours = pool(kind, atoms, batch.molecule, batch.num_molecules)

    assert_same_values_and_gradients(ours, theirs(atoms, batch.molecule, 7), [atoms])


@pytest.mark.parametrize("kind", ["sum", "mean", "max"])
def test_a_molecule_without_atoms_pools_to_zeros(kind):
    atoms = -torch.ones(2, WIDTH)

    pooled = pool(kind, atoms, torch.tensor([0, 2]), 4)

    assert torch.equal(pooled[[1, 3]], torch.zeros(2, WIDTH))
    assert (pooled[[0, 2]] < 0).all()


def test_half_precision_sums_do_not_lose_atoms():
    atoms = torch.ones(1000, 1, dtype=torch.bfloat16)

    pooled = pool("sum", atoms, torch.zeros(1000, dtype=torch.int64), 1)

    assert pooled.item() == 1000
