"""Encoders: what is computed on tables and pairs equals the plain formula."""

from dataclasses import replace

import torch
from random_molecules import random_molecules, to_batch
from torch.nn import functional as F

from graphium.nn.encoders.atoms import AtomEncoder
from graphium.nn.encoders.bonds import BondEncoder
from graphium.nn.encoders.laplacian import LaplacianEncoder
from graphium.nn.encoders.random_walk import RandomWalkEncoder
from graphium.nn.encoders.values import BondValuesEncoder


def laplacian_encoder():
    torch.manual_seed(0)
    return LaplacianEncoder(8, 5).double()


def with_pairs(batch, vectors, values):
    encodings = {"laplacian_vectors": vectors, "laplacian_values": values}
    return replace(batch, encodings={**batch.encodings, **encodings})


def pairs_of(batch):
    return batch.encodings["laplacian_vectors"], batch.encodings["laplacian_values"]


def test_the_atom_encoder_is_an_mlp_on_features_beside_positional_encodings():
    batch = to_batch(random_molecules(5))
    torch.manual_seed(0)
    walks = RandomWalkEncoder(4, 8, 6).double()
    encoder = AtomEncoder(
        batch.atom_table.shape[1],
        {"random_walk": walks},
        positional_width=6,
        hidden=16,
        width=10,
        dropout=0.0,
    ).double()

    features = torch.cat([batch.atom_table[batch.atom_code], walks(batch)], dim=1)
    weight = torch.cat([encoder.table_linear.weight, encoder.positional_linear.weight], dim=1)
    hidden = F.gelu(encoder.norm(F.linear(features, weight, encoder.table_linear.bias)))

    torch.testing.assert_close(encoder(batch), encoder.out_linear(hidden))


def bond_encoder(batch, positional):
    return BondEncoder(
        batch.bond_table.shape[1], positional, positional_width=6, hidden=16, width=10
    ).double()


def test_bonds_without_values_of_their_own_are_encoded_once_for_each_kind_of_bond():
    batch = to_batch(random_molecules(5))
    encoder = bond_encoder(batch, {})

    table, code = encoder(batch)

    torch.testing.assert_close(table, encoder.mlp(batch.bond_table))
    assert torch.equal(code, batch.bond_code)


def test_the_bond_encoder_is_an_mlp_on_features_beside_values_of_single_bonds():
    batch = to_batch(random_molecules(5))
    lengths = torch.rand(batch.num_bonds, 2, dtype=torch.float64) * 100
    batch = replace(batch, bond_encodings={"length": lengths})
    torch.manual_seed(0)
    positional = BondValuesEncoder("length", 2, 8, 6).double()
    encoder = bond_encoder(batch, {"length": positional})
    first, activation, _, last = encoder.mlp.layers

    table, code = encoder(batch)

    features = torch.cat([batch.bond_table[batch.bond_code], positional(batch)], dim=1)
    weight = torch.cat([first.weight, encoder.positional_linear.weight], dim=1)
    torch.testing.assert_close(
        table[code], last(activation(F.linear(features, weight, first.bias)))
    )
    torch.testing.assert_close(positional(batch), positional.mlp(lengths.asinh()))


def test_the_laplacian_encoder_sums_phi_of_both_signs_over_pairs():
    batch = to_batch(random_molecules(5))
    encoder = laplacian_encoder()
    vectors, values = pairs_of(batch)

    summed = torch.zeros(batch.num_atoms, 8, dtype=torch.float64)
    for v, value in zip(vectors.T, values.T, strict=True):
        for sign in (1, -1):
            phi = F.relu(encoder.phi(torch.stack([sign * v, value], dim=1)))
            summed += phi - F.relu(encoder.phi.bias)

    torch.testing.assert_close(encoder(batch), encoder.rho(summed))


def test_padding_pairs_contribute_nothing():
    batch = to_batch(random_molecules(5))
    encoder = laplacian_encoder()
    vectors, values = (F.pad(x, (0, 4)) for x in pairs_of(batch))

    padded = encoder(with_pairs(batch, vectors, values))

    torch.testing.assert_close(padded, encoder(batch))


def test_the_order_of_eigenpairs_changes_nothing():
    batch = to_batch(random_molecules(5))
    encoder = laplacian_encoder()
    vectors, values = (x.flip(1) for x in pairs_of(batch))

    torch.testing.assert_close(encoder(with_pairs(batch, vectors, values)), encoder(batch))


def test_the_size_of_an_eigenvectors_entry_and_its_eigenvalue_both_matter():
    batch = to_batch(random_molecules(5))
    encoder = laplacian_encoder()
    vectors, values = pairs_of(batch)

    for changed in (with_pairs(batch, 2 * vectors, values), with_pairs(batch, vectors, 2 * values)):
        assert (encoder(changed) - encoder(batch)).abs().max() > 1e-3
