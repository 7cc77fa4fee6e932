"""Heads over pairs of atoms: symmetric, only where asked, and no more at once than fits."""

from dataclasses import replace

import pytest
import torch
from random_molecules import TASKS, random_molecules, small_network, to_batch

from graphium.config.model import HeadConfig
from graphium.graphs.mol_batch import TaskLabels
from graphium.nn.heads import build_head
from graphium.nn.pairs import every_pair, in_pieces, pair_outputs, pair_rows
from graphium.training.losses import task_sums

PAIRS_HEAD = HeadConfig(depth=2, width=8)
PAIRS = next(task for task in TASKS if task.level == "nodepair")


def asked(batch, pairs):
    """The batch with labels of these pairs."""
    values, rows = torch.zeros(len(pairs), 2), torch.arange(len(pairs))
    labels = TaskLabels(rows, values, torch.ones(len(pairs)), pairs)
    return replace(batch, labels={PAIRS.name: labels})


def test_both_orders_of_a_pair_give_the_same_output_bit_for_bit():
    batch = to_batch(random_molecules(6))
    pairs = torch.cat(list(every_pair(batch)))
    network = small_network()

    one, other = (network(asked(batch, way))[PAIRS.name] for way in (pairs, pairs.flip(1)))

    assert torch.equal(one, other)
    assert len(one) > 0


def test_only_the_pairs_with_a_label_are_computed():
    batch = to_batch(random_molecules(6))
    pairs = torch.cat(list(every_pair(batch)))
    chosen = torch.tensor([7, 2, 30])
    network = small_network()

    some = network(asked(batch, pairs[chosen]))[PAIRS.name]

    torch.testing.assert_close(some, network(batch)[PAIRS.name][chosen])
    assert network(asked(batch, pairs[:0]))[PAIRS.name].shape == (0, 2)


@pytest.mark.parametrize("at_once", [1, 3, 10, 1_000])
def test_every_pair_of_every_molecule_comes_once_in_order(at_once):
    molecules = random_molecules(12, largest=7)
    batch = to_batch(molecules)

    pieces = list(every_pair(batch, at_once))

    expected, first = [], 0
    for molecule in molecules:
        size = len(molecule.atom_code)
        expected += [[first + i, first + j] for i in range(size) for j in range(i + 1, size)]
        first += size
    assert torch.cat(pieces).tolist() == expected
    assert max(len(piece) for piece in pieces) < at_once + 7 * 6 / 2


def test_a_batch_without_pairs_has_no_outputs():
    for molecules in ([], random_molecules(3, largest=1)):
        batch = to_batch(molecules)
        assert torch.cat(list(every_pair(batch))).shape == (0, 2)
        assert small_network()(batch)[PAIRS.name].shape == (0, 2)


@pytest.mark.parametrize("at_once", [1, 4, 1_000])
def test_pieces_change_neither_outputs_nor_gradients(at_once):
    generator = torch.Generator().manual_seed(0)
    atoms = torch.randn(9, 5, generator=generator, dtype=torch.float64)
    pairs = torch.randint(0, 9, (10, 2), generator=generator)
    torch.manual_seed(0)
    head = build_head(PAIRS_HEAD, 10, 2).double()

    def gradients(pieces):
        leaf = atoms.clone().requires_grad_()
        outputs = pair_outputs(head, leaf, pieces)
        grads = torch.autograd.grad(outputs.square().sum(), [leaf, *head.parameters()])
        return outputs.detach(), grads

    whole, in_steps = gradients([pairs]), gradients(in_pieces(pairs, at_once))

    torch.testing.assert_close(in_steps[0], whole[0])
    for one, other in zip(in_steps[1], whole[1], strict=True):
        torch.testing.assert_close(one, other)


def test_pieces_that_drop_channels_drop_the_same_in_the_backward_pass():
    head = torch.nn.Dropout(0.5)
    atoms = torch.ones(4, 6, dtype=torch.float64, requires_grad=True)
    pairs = torch.tensor([[0, 1], [2, 3]])

    outputs = pair_outputs(head, atoms, in_pieces(pairs, 1))
    sums = outputs[:, :6]  # h_u + h_v: 4 where kept, 0 where dropped
    (gradient,) = torch.autograd.grad(sums.sum(), atoms)

    torch.testing.assert_close(gradient[[0, 2]], (sums != 0).double() * 2)


def test_a_pair_is_described_by_sum_and_difference():
    atoms = torch.tensor([[1.0, 2.0], [4.0, -3.0]])

    rows = pair_rows(atoms, torch.tensor([[0, 1], [1, 0]]))

    assert rows.tolist() == [[5, -1, 3, 5]] * 2


def test_pairs_without_a_label_change_neither_loss_nor_gradient():
    batch = to_batch(random_molecules(6))
    pairs = torch.cat(list(every_pair(batch)))
    values = torch.randn(len(pairs), 2, generator=torch.Generator().manual_seed(0))
    values[torch.arange(len(pairs)) % 3 > 0] = torch.nan
    network = small_network()

    def gradients(chosen):
        labels = TaskLabels(
            torch.arange(len(chosen)), values[chosen], torch.ones(len(chosen)), pairs[chosen]
        )
        only = [task for task in TASKS if task is PAIRS]
        asked_for = {PAIRS.name: labels}
        outputs = network(replace(batch, labels=asked_for))
        loss = task_sums(only, outputs, asked_for)[PAIRS.name]
        return loss, torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)

    loss, whole = gradients(torch.arange(len(pairs)))
    same, labelled = gradients(torch.arange(0, len(pairs), 3))

    torch.testing.assert_close(same, loss)
    torch.testing.assert_close(labelled, whole)
