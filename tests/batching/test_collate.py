import dataclasses
import itertools
from typing import get_args

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from graphium.batching.collate import collate
from graphium.batching.cut import PLAIN
from graphium.batching.kernels import COMPILED
from graphium.batching.task_data import LabelTotals
from graphium.config.data import Level
from graphium.testing.toy import toy_mix


@pytest.fixture(scope="module")
def mix():
    return toy_mix()


def piece(array, offset, i):
    return array[offset[i] : offset[i + 1]]


def as_pyg(mix, i):
    """One molecule of the mix, written out without any index arithmetic."""
    graphs = mix.graphs
    ends = piece(graphs.bond_ends, graphs.bond_offset, i).astype(np.int64)
    bonds = graphs.bond_table[piece(graphs.bond_code, graphs.bond_offset, i)]
    data = Data(
        x=torch.from_numpy(graphs.atom_table[piece(graphs.atom_code, graphs.atom_offset, i)]),
        edge_index=torch.from_numpy(np.concatenate([ends, ends[:, ::-1]]).T.copy()),
        edge_attr=torch.from_numpy(np.concatenate([bonds, bonds])),
    )
    for name, encoding in graphs.encodings.items():
        data[name] = torch.from_numpy(piece(encoding, graphs.atom_offset, i))
    for name, task in mix.tasks.items():
        if task.spec.level == "nodepair":  # a batch holds its labelled pairs alone
            continue
        shape = {"graph": 1, "node": data.num_nodes, "edge": len(ends)}[task.spec.level]
        labels = np.full((shape, len(task.spec.labels)), np.nan, np.float32)
        if i in task.molecule:
            labels = piece(task.values, task.offset, int(np.searchsorted(task.molecule, i)))
        data[f"y_{name}"] = torch.from_numpy(labels)
    return data


def by_ends_and_features(edge_index, edge_attr):
    """Directed bonds as sorted rows: their order inside a batch means nothing."""
    rows = torch.cat([edge_index.T.float(), edge_attr], dim=1).tolist()
    return sorted(rows)


@pytest.mark.parametrize("molecules", [[3], [5, 0, 20, 1, 35, 5], range(36)])
@pytest.mark.parametrize("cutter", [PLAIN, COMPILED], ids=["plain", "compiled"])
def test_a_batch_equals_the_one_of_torch_geometric(mix, molecules, cutter):
    molecules = np.array(molecules)
    ours = collate(mix.graphs, mix.tasks, molecules, {}, cutter)
    theirs = Batch.from_data_list([as_pyg(mix, i) for i in molecules])

    assert torch.equal(ours.atom_table[ours.atom_code], theirs.x)
    assert torch.equal(ours.molecule, theirs.batch)
    features = ours.bond_table[ours.bond_code]
    assert by_ends_and_features(
        ours.bond_index, torch.cat([features, features])
    ) == by_ends_and_features(theirs.edge_index, theirs.edge_attr)
    for name, encoding in ours.encodings.items():
        assert torch.equal(encoding, theirs[name])
    for name, task in ours.labels.items():
        if task.pairs is not None:
            continue
        dense = torch.full_like(theirs[f"y_{name}"], torch.nan)
        dense[task.rows] = task.values
        torch.testing.assert_close(dense, theirs[f"y_{name}"], equal_nan=True, rtol=0, atol=0)
    assert ours.keys.tolist() == molecules.tolist()


def flat(batch):
    """Every tensor of a batch by name."""
    out = {
        name: getattr(batch, name)
        for name in ("atom_code", "bond_code", "bond_index", "molecule", "keys")
    }
    out |= batch.encodings | batch.bond_encodings
    for name, task in batch.labels.items():
        parts = {"rows": task.rows, "values": task.values, "weights": task.weights}
        parts |= {} if task.pairs is None else {"pairs": task.pairs}
        out |= {f"{name}.{part}": value for part, value in parts.items()}
    return out


@pytest.mark.parametrize("seed", range(8))
def test_the_compiled_batch_equals_the_plain_one_in_every_bit(mix, seed):
    rng = np.random.default_rng(seed)
    molecules = rng.integers(0, mix.graphs.num_molecules, rng.integers(0, 40))
    graphs = dataclasses.replace(
        mix.graphs, bond_encodings={"length": rng.random((len(mix.graphs.bond_code), 3), "f4")}
    )
    tasks = dict(mix.tasks)
    graph = next(task for task in tasks.values() if task.spec.level == "graph")
    tasks["nowhere"] = dataclasses.replace(
        graph,
        molecule=graph.molecule[:0],
        offset=graph.offset[:1],
        stored=graph.stored[:0],
        weight=graph.weight[:0],
    )

    plain, compiled = (
        flat(collate(graphs, tasks, molecules, {}, cutter)) for cutter in (PLAIN, COMPILED)
    )

    assert plain.keys() == compiled.keys()
    for name, value in plain.items():
        assert value.dtype == compiled[name].dtype, name
        assert torch.equal(value.nan_to_num(-7), compiled[name].nan_to_num(-7)), name
        assert compiled[name].is_contiguous(), name


def test_levels_of_the_toy_are_all_there(mix):
    assert {task.spec.level for task in mix.tasks.values()} == set(get_args(Level))


def test_the_second_half_of_the_directed_bonds_runs_back(mix):
    batch = collate(mix.graphs, mix.tasks, np.arange(10), {})

    forward, back = batch.bond_index.split(batch.num_bonds, dim=1)
    assert torch.equal(forward, back.flip(0))


def test_only_labelled_rows_travel_and_weights_follow_them(mix):
    molecules = np.arange(36)
    batch = collate(mix.graphs, mix.tasks, molecules, {})

    for name, labels in batch.labels.items():
        task = mix.tasks[name]
        assert not labels.values.isnan().all(dim=1).any()
        if task.spec.level == "graph":
            assert labels.rows.tolist() == task.molecule.tolist()
            assert labels.weights.tolist() == task.weight.tolist()
    atoms = batch.labels["toy_atoms"]
    weight_of = dict(
        zip(mix.tasks["toy_atoms"].molecule, mix.tasks["toy_atoms"].weight, strict=True)
    )
    owners = batch.molecule[atoms.rows].tolist()
    assert atoms.weights.tolist() == [weight_of[owner] for owner in owners]


def test_every_task_is_present_in_a_batch_that_has_no_label_of_it(mix):
    rare = mix.tasks["toy_rare"]
    unlabelled = np.setdiff1d(np.arange(36), rare.molecule)[:4]

    labels = collate(mix.graphs, mix.tasks, unlabelled, {}).labels["toy_rare"]

    assert labels.values.shape == (0, 1)
    assert labels.rows.dtype == torch.int64


def test_an_empty_batch_has_all_fields_and_no_rows(mix):
    batch = collate(mix.graphs, mix.tasks, np.empty(0, np.int64), {"toy_size": 3.0})

    assert (batch.num_molecules, batch.num_atoms, batch.num_bonds) == (0, 0, 0)
    assert batch.bond_index.shape == (2, 0)
    assert batch.encodings["random_walk"].shape == (0, 4)
    assert [len(labels.rows) for labels in batch.labels.values()] == [0] * len(mix.tasks)
    assert batch.label_totals == {"toy_size": 3.0}


def test_a_batch_holds_the_labelled_pairs_of_atoms_and_no_others(mix):
    molecules = np.array([5, 0, 20, 1, 35, 19])  # 20 and 19 are salts, 0 and 1 single atoms
    task, graphs = mix.tasks["toy_pairs"], mix.graphs

    labels = collate(graphs, mix.tasks, molecules, {}).labels["toy_pairs"]

    expected, first_atom = [], 0
    for i in molecules:
        size = int(graphs.atom_offset[i + 1] - graphs.atom_offset[i])
        if i in task.molecule:
            values = piece(task.values, task.offset, int(np.searchsorted(task.molecule, i)))
            pairs = itertools.combinations(range(first_atom, first_atom + size), 2)
            expected += [
                (a, b, float(value))
                for (a, b), value in zip(pairs, values[:, 0], strict=True)
                if not np.isnan(value)
            ]
        first_atom += size
    found = zip(*labels.pairs.T.tolist(), labels.values[:, 0].tolist(), strict=True)
    assert list(found) == expected
    assert labels.rows.tolist() == list(range(len(expected)))
    assert len(labels.weights) == len(expected)


def test_label_totals_add_up_weights_of_known_labels(mix):
    molecules = np.array([4, 9, 2, 30])
    batch = collate(mix.graphs, mix.tasks, molecules, {})

    totals = LabelTotals(mix.tasks)(molecules)

    for name, labels in batch.labels.items():
        known = ~labels.values.isnan()
        assert totals[name] == pytest.approx(float((known * labels.weights[:, None]).sum()))
