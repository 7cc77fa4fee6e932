"""Laws that hold for every network, whatever its weights."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_molecules import (
    FEATURES,
    TASKS,
    random_molecules,
    renumbered,
    small_network,
    to_batch,
)

from graphium.batching.step_encodings import batch_encodings
from graphium.config.encodings import EncodingsConfig
from graphium.config.features import FeaturesConfig
from graphium.config.model import ModelConfig
from graphium.graphs.levels import pair_number
from graphium.nn.build import build_network
from graphium.nn.pooling import pool

KINDS = pytest.mark.parametrize("kind", ["gcn", "gine"])
ANY_SEED = st.integers(0, 2**32 - 1)
QUICK = settings(max_examples=15, deadline=None)


@KINDS
@given(seed=ANY_SEED)
@QUICK
def test_a_molecule_gets_the_same_output_alone_and_in_a_batch(kind, seed):
    molecules = random_molecules(5, seed)
    network = small_network(kind, pooling=["sum", "mean", "max"])

    together = network(to_batch(molecules))
    alone = [network(to_batch([molecule])) for molecule in molecules]

    for task, outputs in together.items():
        torch.testing.assert_close(outputs, torch.cat([one[task] for one in alone]))


@KINDS
@given(seed=ANY_SEED)
@QUICK
def test_renumbering_the_atoms_renumbers_the_outputs(kind, seed):
    molecule = random_molecules(1, seed, largest=12)[0]
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(molecule.atom_code)))
    network = small_network(kind, pooling=["sum", "mean", "max"])

    before = network(to_batch([molecule]))
    after = network(to_batch([renumbered(molecule, order)]))

    torch.testing.assert_close(after["graph_task"], before["graph_task"])
    torch.testing.assert_close(after["node_task"][order], before["node_task"])
    torch.testing.assert_close(after["edge_task"], before["edge_task"])
    first, second = (order[end].numpy() for end in np.triu_indices(len(order), 1))
    place = pair_number(np.stack([first, second], axis=1), np.full(len(first), len(order)))
    torch.testing.assert_close(after["nodepair_task"][place], before["nodepair_task"])


@KINDS
@given(seed=ANY_SEED)
@QUICK
def test_the_order_in_which_bonds_and_their_ends_are_written_changes_nothing(kind, seed):
    molecule = random_molecules(1, seed, largest=12)[0]
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(molecule.bond_code)))
    rewritten = replace(
        molecule,
        bond_ends=molecule.bond_ends[order].flip(1),
        bond_code=molecule.bond_code[order],
    )
    network = small_network(kind)

    before, after = network(to_batch([molecule])), network(to_batch([rewritten]))

    torch.testing.assert_close(after["edge_task"], before["edge_task"][order])
    torch.testing.assert_close(after["node_task"], before["node_task"])


@KINDS
def test_flipping_the_sign_of_eigenvectors_changes_nothing(kind):
    batch = to_batch(random_molecules(6))
    vectors = batch.encodings["laplacian_vectors"]
    signs = torch.tensor([-1.0, 1.0, -1.0], dtype=torch.float64)
    flipped = replace(batch, encodings={**batch.encodings, "laplacian_vectors": vectors * signs})
    network = small_network(kind)

    for before, after in zip(network(batch).values(), network(flipped).values(), strict=True):
        torch.testing.assert_close(after, before)


def test_eigenvectors_and_random_walks_are_read():
    batch = to_batch(random_molecules(6))
    network = small_network()
    before = network(batch)["node_task"]

    for name, values in batch.encodings.items():
        changed = replace(batch, encodings={**batch.encodings, name: values * 1.5})
        assert (network(changed)["node_task"] - before).abs().max() > 1e-5


def test_every_encoding_of_atoms_and_of_bonds_is_read():
    kinds = ["heat_kernel", "transition", "shortest_path", "commute", "electrostatic"]
    for level in ("node", "edge"):
        chosen = {name: {"level": level} for name in [*kinds, "random_walk", "laplacian"]}
        features = FeaturesConfig.model_validate({"encodings": chosen})
        batch = with_encodings(to_batch(random_molecules(6)), features)
        network = build_network(ModelConfig(), features, TASKS, seed=0).double().eval()
        before = network(batch)["node_task"]

        name = "encodings" if level == "node" else "bond_encodings"
        of_level = getattr(batch, name)
        assert len(of_level) == (8 if level == "node" else 7)
        for kind, values in of_level.items():
            changed = replace(batch, **{name: {**of_level, kind: values * 1.5 + 0.1}})
            assert (network(changed)["node_task"] - before).abs().max() > 1e-5


def with_encodings(batch, features):
    encoded = batch_encodings(batch, features, torch.empty(0, dtype=torch.float64))
    return replace(batch, encodings=encoded.atoms, bond_encodings=encoded.bonds)


def test_gine_reads_the_kinds_of_bonds_and_gcn_does_not():
    batch = to_batch(random_molecules(6))
    changed = replace(batch, bond_code=(batch.bond_code + 1) % 5)

    def difference(kind):
        network = small_network(kind)
        return (network(changed)["node_task"] - network(batch)["node_task"]).abs().max()

    assert difference("gine") > 1e-5
    assert difference("gcn") == 0


BATCHES = {
    "ordinary": random_molecules(4, seed=1),
    "single atoms without bonds": random_molecules(3, largest=1),
    "one atom": random_molecules(1, largest=1),
    "no molecule": [],
}


@KINDS
@pytest.mark.parametrize("molecules", BATCHES.values(), ids=BATCHES.keys())
@pytest.mark.parametrize("norm", ["layer", "batch", "none"])
@pytest.mark.filterwarnings("ignore:norm. batch")
def test_every_parameter_gets_a_gradient_from_every_batch(kind, molecules, norm):
    network = small_network(kind, pooling=["sum", "mean", "max"], trunk={"norm": norm}).train()
    batch = to_batch(molecules)

    outputs = network(batch)
    sum(values.sum() for values in outputs.values()).backward()

    assert {k: len(v) for k, v in outputs.items()} == {
        "graph_task": batch.num_molecules,
        "node_task": batch.num_atoms,
        "edge_task": batch.num_bonds,
        "nodepair_task": sum(math.comb(len(one.atom_code), 2) for one in molecules),
    }
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert without == []
    assert all(p.grad.isfinite().all() for p in network.parameters())


@KINDS
def test_every_parameter_changes_some_output(kind):
    batch = to_batch(random_molecules(12))
    network = small_network(kind)

    sum(values.square().sum() for values in network(batch).values()).backward()

    assert [name for name, p in network.named_parameters() if not p.grad.any()] == []


def test_the_same_seed_gives_the_same_weights_and_leaves_torchs_state_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, second, other = (
        build_network(ModelConfig(), FEATURES, TASKS, seed=seed).state_dict() for seed in (1, 1, 2)
    )

    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@KINDS
def test_the_backbone_does_not_depend_on_the_tasks(kind):
    config = ModelConfig.model_validate({"trunk": {"kind": kind}})
    for_all = build_network(config, FEATURES, TASKS, seed=0).state_dict()
    for_one = build_network(config, FEATURES, TASKS[:1], seed=0).state_dict()

    def backbone(state):
        return {name: v for name, v in state.items() if not name.startswith("heads.")}

    assert backbone(for_all).keys() == backbone(for_one).keys()
    assert all(torch.equal(v, for_one[name]) for name, v in backbone(for_all).items())
    assert all(name.startswith(("encoders.", "trunk.")) for name in backbone(for_all))


@pytest.mark.parametrize("name", ["type", "keys", "a.b", "a%2Eb", "NR-AhR", "hash me"])
def test_a_task_may_have_any_name(name):
    tasks = [TASKS[0].model_copy(update={"name": n}) for n in (name, "a.b.c")]
    network = build_network(ModelConfig(), FEATURES, tasks, seed=0)

    outputs = network(to_batch(random_molecules(2)))

    assert set(outputs) == {name, "a.b.c"}


def test_a_classification_head_has_an_output_for_each_class_of_each_label():
    task = TASKS[1].model_copy(update={"loss": "ce", "num_classes": 3})
    network = build_network(ModelConfig(), FEATURES, [task], seed=0).double()

    assert network(to_batch(random_molecules(2)))["node_task"].shape[1] == 2 * 3


def test_embeddings_are_the_pooled_atoms():
    batch = to_batch(random_molecules(4))
    network = small_network(pooling=["sum", "max"])

    embedded = network.embed(batch)

    atoms = network.atoms(batch)
    expected = [pool(kind, atoms, batch.molecule, 4) for kind in ("sum", "max")]
    torch.testing.assert_close(embedded, torch.cat(expected, 1), rtol=0, atol=0)


def test_untrained_outputs_are_small_but_not_zero():
    network = small_network(trunk={"width": 96, "depth": 4})
    outputs = network(to_batch(random_molecules(50, largest=40)))

    for values in outputs.values():
        assert 1e-3 < values.square().mean().sqrt() < 1


def test_encodings_that_are_switched_off_are_not_needed():
    features = FeaturesConfig(encodings=EncodingsConfig(random_walk=None, laplacian=None))
    batch = replace(to_batch(random_molecules(2)), encodings={})

    outputs = build_network(ModelConfig(), features, TASKS, seed=0)(batch)

    assert all(values.isfinite().all() for values in outputs.values())


def test_a_float64_network_reads_float32_features():
    batch = to_batch(random_molecules(3))
    single = replace(
        batch,
        atom_table=batch.atom_table.float(),
        bond_table=batch.bond_table.float(),
        encodings={name: values.float() for name, values in batch.encodings.items()},
    )

    outputs = small_network()(single)

    assert all(values.dtype == torch.float64 for values in outputs.values())


@KINDS
@pytest.mark.parametrize("residual", [True, False])
def test_bfloat16_autocast_stays_near_float32(kind, residual):
    batch = to_batch(random_molecules(6))
    network = small_network(kind, trunk={"residual": residual}).float()
    expected = network(batch)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(batch)

    for task, values in outputs.items():
        torch.testing.assert_close(values.float(), expected[task], rtol=0.1, atol=0.05)


def test_batch_norm_warns_that_molecules_are_no_longer_alone():
    with pytest.warns(UserWarning, match="depend on the molecules that share its batch") as caught:
        small_network(trunk={"norm": "batch"})
    assert len(caught) == 1


def test_fixed_epsilon_is_not_a_parameter():
    names = dict(small_network(trunk={"learn_epsilon": False}).named_parameters())
    learned = dict(small_network().named_parameters())

    assert [name for name in learned if name not in names] == [
        "trunk.blocks.0.layer.epsilon",
        "trunk.blocks.1.layer.epsilon",
    ]
