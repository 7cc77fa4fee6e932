"""Training batches of one shape: which molecules are in them, and what shape it is."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphium.batching.balanced import BalancedSampler
from graphium.batching.datamodule import MolDataModule
from graphium.batching.maker import HostMaker
from graphium.batching.sampler import PositionalSampler
from graphium.batching.static import (
    MoleculeCounts,
    StaticMaker,
    count_molecules,
    static_shape,
)
from graphium.batching.strata import Stratum
from graphium.errors import DataError
from graphium.graphs.mol_batch import BatchShape
from graphium.testing.toy import toy_experiment, toy_mix

QUICK = settings(deadline=None, max_examples=40)


def balanced(num_molecules, size=4, seed=0, world_size=1, accumulate=1, strata=None):
    sizes = np.random.default_rng(0).integers(1, 40, num_molecules)
    visits = PositionalSampler(np.arange(num_molecules), size, seed, world_size, accumulate, strata)
    return BalancedSampler(visits, sizes, world_size, accumulate)


def drugs(count, seed=0):
    """Counts of molecules like those of a table of drugs, with one task on a tenth of them."""
    rng = np.random.default_rng(seed)
    atoms = np.clip(rng.normal(23, 4.5, count), 5, 38).astype(np.int64)
    bonds = atoms - 1 + rng.integers(0, 5, count)
    return MoleculeCounts(
        atoms, bonds, {"rare": (rng.random(count) < 0.1).astype(np.int64)}, {"rare": "graph"}
    )


@QUICK
@given(st.integers(1, 60), st.integers(1, 17), st.integers(1, 8), st.integers(1, 3))
def test_every_molecule_is_seen_once_in_an_epoch_on_any_number_of_ranks(
    num_molecules, size, world_size, accumulate
):
    s = balanced(num_molecules, size, world_size=world_size, accumulate=accumulate)

    seen = [
        s.micro_batch(3, position, rank)
        for position in range(s.micro_batches_per_epoch)
        for rank in range(world_size)
    ]

    assert s.micro_batches_per_epoch == accumulate * -(-num_molecules // size)
    assert sorted(np.concatenate(seen).tolist()) == list(range(num_molecules))


@QUICK
@given(st.integers(1, 60), st.integers(1, 17), st.integers(1, 5), st.integers(1, 3))
def test_ranks_and_micro_batches_divide_the_same_steps(num_molecules, size, world_size, accumulate):
    plain = balanced(num_molecules, size)
    divided = balanced(num_molecules, size, world_size=world_size, accumulate=accumulate)

    for step in range(plain.steps_per_epoch):
        parts = [
            divided.micro_batch(2, step * accumulate + micro_batch, rank)
            for micro_batch in range(accumulate)
            for rank in range(world_size)
        ]
        whole = divided.whole_step(2, step * accumulate)
        assert np.concatenate(parts).tolist() == whole.tolist()
        assert sorted(whole.tolist()) == sorted(plain.micro_batch(2, step, 0).tolist())


def test_the_division_is_a_function_of_seed_and_epoch_only():
    s = balanced(50, size=12, seed=7)
    pieces = [s.pieces(epoch)[0].tolist() for epoch in (0, 1, 0)]

    assert pieces[0] == pieces[2] == balanced(50, size=12, seed=7).pieces(0)[0].tolist()
    assert pieces[0] != pieces[1]
    assert pieces[0] != balanced(50, size=12, seed=8).pieces(0)[0].tolist()


def test_the_division_never_changes_between_versions():
    # Recorded: a resumed run must see what the interrupted one would have seen.
    sizes = np.array([9, 4, 7, 1, 12, 3, 5, 5, 8, 2, 6, 10])
    s = BalancedSampler(PositionalSampler(np.arange(12), 4, 1), sizes)

    pieces = [s.micro_batch(2, step, 0).tolist() for step in range(3)]

    assert pieces == [[0, 9, 3, 4], [6, 7, 8, 10], [11, 5, 1, 2]]


def test_every_visit_of_a_weighted_epoch_is_in_one_micro_batch():
    strata = {"a": Stratum(np.arange(20), 50), "b": Stratum(np.arange(15, 40), 10)}
    s = balanced(40, size=7, world_size=3, strata=strata)
    visits = PositionalSampler(np.arange(40), 7, 0, 3, 1, strata)

    for epoch in (0, 5):
        assert sorted(s.pieces(epoch)[0].tolist()) == sorted(visits.order(epoch).tolist())


@pytest.mark.parametrize(("size", "world_size"), [(64, 1), (256, 1), (256, 2)])
def test_batches_of_drugs_have_little_padding_and_never_exceed_the_shape(size, world_size):
    counts = drugs(size * 40)
    visits = PositionalSampler(np.arange(size * 40), size, 0, world_size)
    sampler = BalancedSampler(visits, counts.atoms, world_size)

    shape = static_shape(sampler, counts)

    num_pieces = 40 * world_size
    rounding = 8 / shape.atoms
    assert 1 - counts.atoms.sum() / num_pieces / shape.atoms < 0.001 + rounding
    assert 1 - counts.bonds.sum() / num_pieces / shape.bonds < 0.05
    for epoch in range(2, 5):
        molecules, starts = sampler.pieces(epoch)
        pieces = np.split(molecules, starts[1:-1])
        assert max(counts.atoms[p].sum() for p in pieces) < shape.atoms
        assert max(counts.bonds[p].sum() for p in pieces) <= shape.bonds
        assert max(map(len, pieces)) < shape.molecules
        assert max(counts.rows["rare"][p].sum() for p in pieces) <= shape.rows["rare"]


def test_the_shape_leaves_room_for_epochs_that_visit_larger_molecules():
    counts = drugs(4000)
    strata = {"a": Stratum(np.arange(3000), 1500), "b": Stratum(np.arange(3000, 4000), 3000)}
    visits = PositionalSampler(np.arange(4000), 50, 0, strata=strata)
    sampler = BalancedSampler(visits, counts.atoms)

    shape = static_shape(sampler, counts, strata)

    for epoch in range(12):
        molecules, starts = sampler.pieces(epoch)
        assert max(counts.atoms[p].sum() for p in np.split(molecules, starts[1:-1])) < shape.atoms


def shapes(batch):
    """The shape of every tensor that a network or a loss reads."""
    labels = {
        f"{name}.{part}": tuple(tensor.shape)
        for name, task in batch.labels.items()
        for part, tensor in (
            ("rows", task.rows),
            ("values", task.values),
            ("weights", task.weights),
        )
    }
    pairs = {name: t.pairs.shape for name, t in batch.labels.items() if t.pairs is not None}
    own = ("atom_table", "atom_code", "bond_table", "bond_code", "bond_index", "molecule", "keys")
    return {
        **{name: tuple(getattr(batch, name).shape) for name in own},
        **{name: tuple(values.shape) for name, values in batch.encodings.items()},
        **labels,
        **pairs,
        "is_real": tuple(batch.padding.is_real.shape),
        "num_molecules": batch.num_molecules,
    }


@pytest.mark.parametrize("compute", ["ahead", "step"])
def test_all_tensors_of_all_batches_have_one_shape(compute):
    encodings = {"compute": compute}
    experiment = toy_experiment(batch={"shape": "static"}, features={"encodings": encodings})
    data = MolDataModule(toy_mix(experiment=experiment), experiment)

    loader = data.train_dataloader()
    batches = [batch for _ in range(3) for batch in loader]

    assert len(batches) == 3 * data.steps_per_epoch(1) > 6
    assert all(shapes(batch) == shapes(batches[0]) for batch in batches)
    assert all(batch.shape == data.static_shape(1) for batch in batches)


def test_a_batch_that_is_larger_than_the_shape_is_kept_whole_and_a_warning_says_so(caplog):
    mix = toy_mix()
    small = BatchShape(16, 16, 8, dict.fromkeys(mix.tasks, 8))
    maker = StaticMaker(HostMaker(mix.graphs, mix.tasks), small)
    molecules = np.array([13, 14, 15])

    with caplog.at_level(logging.WARNING, "graphium"):
        batch = maker(molecules, molecules)

    assert "larger than the static shape" in caplog.text
    assert batch.num_real_molecules == 3
    assert batch.keys[:3].tolist() == [13, 14, 15]
    assert (batch.shape.atoms - small.atoms) % 8 == 0


def test_a_task_without_labels_has_no_rows():
    mix = toy_mix()
    counts = count_molecules(mix.graphs, mix.tasks)
    counts.rows["toy_rare"][:] = 0
    sampler = BalancedSampler(PositionalSampler(mix.molecules("train"), 8, 0), counts.atoms)

    assert static_shape(sampler, counts).rows["toy_rare"] == 0


def test_without_molecules_there_is_no_step():
    counts = drugs(5)
    sampler = BalancedSampler(PositionalSampler(np.zeros(0, np.int64), 8, 0), counts.atoms)

    assert sampler.micro_batches_per_epoch == 0
    assert static_shape(sampler, counts).atoms > 0


def module_with(**batch):
    experiment = toy_experiment(batch={"shape": "static", **batch})
    return MolDataModule(toy_mix(experiment=experiment), experiment)


@pytest.mark.parametrize("budget", [{"atoms": 96}, {"bonds": 120, "molecules": 32}])
def test_a_step_has_as_many_molecules_as_fit_into_the_budget(budget):
    data = module_with(budget=budget)
    larger = module_with(budget={name: 3 * size for name, size in budget.items()})

    shape = data.static_shape(1)
    reals = [batch.padding.real for batch in data.train_dataloader()]

    assert {name: getattr(shape, name) for name in budget} == budget
    assert sum(real.molecules for real in reals) == len(toy_mix().molecules("train"))
    assert larger.steps_per_epoch(1) < data.steps_per_epoch(1)
    assert data.steps_per_epoch(2) < data.steps_per_epoch(1)


def test_a_molecule_larger_than_the_budget_is_named_before_training():
    with pytest.raises(DataError) as caught:
        module_with(budget={"atoms": 10}).steps_per_epoch(1)

    assert str(caught.value) == (
        "batch.budget.atoms is 10, and row 14 (from 0) of dataset 'toy', "
        "'Cn1cnc2c1c(=O)n(C)c(=O)n2C', needs 15; give at least so many"
    )


def test_a_budget_without_room_for_differences_is_refused():
    with pytest.raises(DataError, match="too small for molecules as different"):
        module_with(budget={"molecules": 2}).steps_per_epoch(1)
