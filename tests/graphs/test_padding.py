import dataclasses

import numpy as np
import pytest
import torch

from graphium.batching.collate import collate
from graphium.graphs.mol_batch import BatchShape
from graphium.graphs.padding import fits, pad, without_padding
from graphium.testing.toy import toy_mix

EXTRA = {"atoms": 7, "bonds": 30, "molecules": 3}


@pytest.fixture(scope="module")
def mix():
    return toy_mix()


def batch_of(mix, molecules):
    return collate(mix.graphs, mix.tasks, np.array(molecules, np.int64), {})


def shape_around(batch, rows=5, **extra):
    real = batch.shape
    extra = {**EXTRA, **extra}
    sizes = {name: getattr(real, name) + more for name, more in extra.items()}
    return BatchShape(**sizes, rows={name: count + rows for name, count in real.rows.items()})


def tensors(value):
    """Every tensor of a batch, by name."""
    if isinstance(value, torch.Tensor):
        return {"": value}
    items = (
        {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if dataclasses.is_dataclass(value)
        else value
        if isinstance(value, dict)
        else {}
    )
    return {f"{k}.{name}": t for k, v in items.items() for name, t in tensors(v).items()}


@pytest.mark.parametrize("molecules", [[3, 12, 0], [5], [0, 1], []])
def test_what_is_real_comes_back(mix, molecules):
    batch = batch_of(mix, molecules)

    back = without_padding(pad(batch, shape_around(batch)))

    expected = tensors(batch)
    assert back.shape == batch.shape
    assert back.padding is None
    assert tensors(back).keys() == expected.keys()
    assert all(
        torch.equal(tensor.nan_to_num(), expected[name].nan_to_num())
        for name, tensor in tensors(back).items()
    )


def test_a_padded_batch_has_the_asked_shape_and_says_what_is_real(mix):
    batch = batch_of(mix, [3, 12, 0])
    shape = shape_around(batch)

    padded = pad(batch, shape)

    assert padded.shape == shape
    assert padded.num_real_molecules == 3
    assert padded.padding.is_real.sum() == batch.num_atoms
    assert padded.keys.tolist() == [3, 12, 0, -1, -1, -1]
    ends = padded.bond_index
    is_real = padded.padding.is_real[ends]
    assert torch.equal(is_real[0], is_real[1])  # no bond leads out of the padding
    assert torch.equal(padded.molecule, padded.molecule.sort().values)
    assert padded.molecule[~padded.padding.is_real].unique().tolist() == [5]


def test_bonds_of_padding_are_dealt_evenly(mix):
    batch = batch_of(mix, [3])

    padded = pad(batch, shape_around(batch, atoms=4, bonds=10))

    loops = padded.bond_index[0, batch.num_bonds : padded.num_bonds]
    assert sorted(loops.unique(return_counts=True)[1].tolist()) == [2, 2, 3, 3]


@pytest.mark.parametrize("lacking", ["atoms", "bonds", "molecules", "rows"])
def test_a_shape_must_leave_an_atom_and_a_molecule_for_padding(mix, lacking):
    batch = batch_of(mix, [3, 12])
    least = {"atoms": 1, "bonds": 0, "molecules": 1, "rows": 0}

    assert fits(batch.shape, shape_around(batch, **least))
    assert not fits(batch.shape, shape_around(batch, **(least | {lacking: least[lacking] - 1})))


def test_a_model_of_another_library_is_not_given_padding(mix):
    batch = batch_of(mix, [3, 12])
    with pytest.raises(AssertionError, match="would take padding for real"):
        pad(batch, shape_around(batch)).to_pyg()
