"""Padding changes neither outputs nor losses nor gradients nor running statistics."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_molecules import TASKS, random_molecules, small_network, to_batch

from graphium.graphs.levels import level_sizes, pair_ends
from graphium.graphs.mol_batch import BatchShape, TaskLabels
from graphium.graphs.padding import pad
from graphium.nn.norm import RowBatchNorm
from graphium.training.losses import task_sums, total_loss

COUNTS = st.sampled_from([0, 3, 5])
QUICK = settings(max_examples=6, deadline=None)
KINDS = pytest.mark.parametrize("kind", ["gcn", "gine"])
NORMS = pytest.mark.parametrize("norm", ["layer", "batch", "none"])


def labelled_batch(count, seed):
    """Random molecules with labels of every level, a third of them missing."""
    rng = np.random.default_rng(seed)
    molecules = random_molecules(count, seed)
    batch = to_batch(molecules)
    num_atoms = np.array([len(one.atom_code) for one in molecules], np.int64)
    num_bonds = np.array([len(one.bond_code) for one in molecules], np.int64)
    labels = {}
    for task in TASKS:
        sizes = level_sizes(task.level, num_atoms, num_bonds)
        rows = np.flatnonzero(rng.random(sizes.sum()) < 0.8)
        values = rng.normal(size=(len(rows), 2))
        values[rng.random(values.shape) < 0.3] = np.nan
        pairs = None
        if task.level == "nodepair":
            owner = np.repeat(np.arange(count), sizes)[rows]
            inner = rows - (np.cumsum(sizes) - sizes)[owner]
            first_atom = (np.cumsum(num_atoms) - num_atoms)[owner]
            ends = pair_ends(inner, num_atoms[owner]) + first_atom[:, None]
            pairs, rows = torch.from_numpy(ends), np.arange(len(rows))
        weights = torch.from_numpy(rng.choice([0.5, 1, 2], len(rows)))
        labels[task.name] = TaskLabels(
            torch.from_numpy(rows), torch.from_numpy(values), weights, pairs
        )
    return replace(batch, labels=labels, label_totals={task.name: 7.0 for task in TASKS})


def padded(batch, rng):
    real = batch.shape
    return pad(
        batch,
        BatchShape(
            real.atoms + int(rng.integers(1, 9)),
            real.bonds + int(rng.integers(1, 90)),
            real.molecules + int(rng.integers(1, 5)),
            {name: count + int(rng.integers(0, 9)) for name, count in real.rows.items()},
        ),
    )


def learn(network, batch):
    """Outputs of real rows, loss, gradients and buffers after one pass in training mode."""
    network.train().zero_grad()
    outputs = network(batch)
    sums = task_sums(TASKS, outputs, batch.labels)
    loss = total_loss(TASKS, sums, batch.label_totals)
    loss.backward()
    grads = {f"grad of {name}": p.grad.clone() for name, p in network.named_parameters()}
    buffers = {f"buffer {name}": b.clone() for name, b in network.named_buffers()}
    return outputs, {"loss": loss.detach(), **grads, **buffers}


@KINDS
@NORMS
@QUICK
@given(count=COUNTS, seed=st.integers(0, 2**32 - 1))
def test_a_padded_batch_teaches_what_the_batch_teaches(kind, norm, count, seed):
    batch = labelled_batch(count, seed)
    more = padded(batch, np.random.default_rng(seed))
    options = {
        "trunk": {"norm": norm, "residual": seed % 2 == 0, "dropout": 0.0},
        "pooling": ["sum", "mean", "max"],
    }

    with pytest.warns(UserWarning, match="norm: batch") if norm == "batch" else nullcontext():
        networks = [small_network(kind, **options) for _ in range(2)]
    (plain, learned), (with_padding, learned_padded) = map(learn, networks, (batch, more))

    for name, output in plain.items():
        torch.testing.assert_close(with_padding[name][: len(output)], output, rtol=0, atol=1e-12)
    assert learned.keys() == learned_padded.keys()
    for name, value in learned.items():
        torch.testing.assert_close(learned_padded[name], value, rtol=1e-12, atol=1e-12, msg=name)


def test_padding_stays_finite_in_half_precision_however_many_bonds_it_has():
    batch = labelled_batch(4, 0)
    real = batch.shape
    more = pad(batch, BatchShape(real.atoms + 1, real.bonds + 500, real.molecules + 1, real.rows))
    options = {"norm": "none", "dropout": 0.0, "depth": 6}
    network = small_network("gine", trunk=options).float()

    with torch.autocast("cpu", torch.float16):
        atoms = network.atoms(more)

    assert atoms.isfinite().all()


@pytest.mark.parametrize("num_real", [0, 1, 2, 7])
def test_batch_normalisation_sees_real_rows_only(num_real):
    generator = torch.Generator().manual_seed(num_real)
    rows = torch.randn(num_real, 5, generator=generator, dtype=torch.float64) * 3 + 1
    garbage = torch.full((4, 5), torch.inf, dtype=torch.float64)
    norms = [RowBatchNorm(5).double().train() for _ in range(2)]

    for _ in range(3):
        expected = norms[0](rows)
        ours = norms[1](torch.cat([rows, garbage]), torch.arange(num_real + 4) < num_real)

        torch.testing.assert_close(ours[:num_real], expected, rtol=1e-12, atol=1e-12)
    for name, buffer in norms[0].named_buffers():
        torch.testing.assert_close(norms[1].get_buffer(name), buffer, rtol=1e-12, atol=1e-12)
