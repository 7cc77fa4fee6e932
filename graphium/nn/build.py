"""From the config to an untrained network: the only place where names become modules.

A new layer needs a config class, a module and a case in ``build_layer``; the type checker names
that function when the case is forgotten.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import assert_never

import torch
from torch import nn

from graphium.config.encodings import LaplacianConfig, RandomWalkConfig
from graphium.config.features import FeaturesConfig
from graphium.config.model import EncoderConfig, GcnConfig, GineConfig, ModelConfig
from graphium.config.tasks import TaskSpec
from graphium.graphs.encodings.conformer import DISTANCES
from graphium.graphs.encodings.widths import atom_columns, bond_encoding_widths
from graphium.graphs.features import atom_width, bond_width
from graphium.nn.encoders.atoms import AtomEncoder
from graphium.nn.encoders.bonds import BondEncoder
from graphium.nn.encoders.laplacian import LaplacianEncoder
from graphium.nn.encoders.random_walk import RandomWalkEncoder
from graphium.nn.encoders.values import AtomValuesEncoder, BondValuesEncoder
from graphium.nn.heads import build_head, head_input_width
from graphium.nn.layers.gcn import GcnLayer
from graphium.nn.layers.gine import GineLayer
from graphium.nn.mlp import build_activation
from graphium.nn.network import Encoders, Network
from graphium.nn.norm import build_norm
from graphium.nn.pooling import Pooling
from graphium.nn.trunk import Trunk, TrunkBlock


def build_network(
    model: ModelConfig,
    features: FeaturesConfig,
    tasks: Sequence[TaskSpec],
    *,
    seed: int | None = None,
) -> Network:
    """Return an untrained network on the CPU.

    Args:
        model: The ``model`` section.
        features: The ``features`` section: what batches hold.
        tasks: One head for each.
        seed: Decides the initial weights and leaves torch's own random state alone; None draws
            from that state.
    """
    if model.trunk.norm == "batch":
        warnings.warn(
            "norm: batch makes a molecule's training output depend on the molecules that share its "
            "batch, so several ranks no longer learn what one process would; norm: layer does not",
            stacklevel=2,
        )
    with _drawing_from(seed):
        width = model.trunk.width
        encoders = build_encoders(model, features)
        blocks = [_build_block(model.trunk, model.encoder) for _ in range(model.trunk.depth)]
        heads = {}
        for task in tasks:
            width_in = head_input_width(
                task.level,
                atoms=width,
                pooled=width * len(model.pooling),
                bond_features=bond_width(features.bonds),
            )
            config = model.heads.get(task.name, model.head)
            heads[task.name] = build_head(config, width_in, task.width)
        return Network(
            encoders,
            Trunk(blocks, build_norm(model.trunk.norm, width)),
            Pooling(list(model.pooling)),
            heads,
            tasks,
        )


def build_layer(trunk: GcnConfig | GineConfig, bond_channels: int) -> nn.Module:
    """Return one untrained message-passing layer."""
    match trunk:
        case GcnConfig():
            return GcnLayer(trunk.width)
        case GineConfig():
            return GineLayer(
                trunk.width,
                bond_channels,
                activation=trunk.activation,
                learn_epsilon=trunk.learn_epsilon,
            )
        case _:
            assert_never(trunk)


def build_encoders(model: ModelConfig, features: FeaturesConfig) -> Encoders:
    """Return the untrained encoders of what the ``features`` section switches on."""
    config = model.encoder
    positional: dict[str, nn.Module] = {}
    for name, encoding in features.encodings.at("node").items():
        widths = config.width, config.positional_width
        match encoding:
            case RandomWalkConfig():
                positional[name] = RandomWalkEncoder(encoding.steps, *widths)
            case LaplacianConfig():
                positional[name] = LaplacianEncoder(*widths)
            case _:
                positional[name] = AtomValuesEncoder(name, atom_columns(encoding), *widths)
    if (conformer := features.encodings.conformer) is not None:
        widths = config.width, config.positional_width
        positional[DISTANCES] = AtomValuesEncoder(DISTANCES, conformer.num_kernels, *widths)
    atoms = AtomEncoder(
        atom_width(features.atoms),
        positional,
        positional_width=config.positional_width,
        hidden=config.width,
        width=model.trunk.width,
        dropout=config.dropout,
    )
    if not model.trunk.reads_bonds:  # an encoder that nothing reads is not built
        return Encoders(atoms, None)
    bonds = BondEncoder(
        bond_width(features.bonds),
        {
            name: BondValuesEncoder(name, columns, config.width, config.positional_width)
            for name, columns in bond_encoding_widths(features).items()
        },
        positional_width=config.positional_width,
        hidden=config.width,
        width=config.bond_width,
    )
    return Encoders(atoms, bonds)


def _build_block(trunk: GcnConfig | GineConfig, encoder: EncoderConfig) -> TrunkBlock:
    return TrunkBlock(
        build_norm(trunk.norm, trunk.width),
        build_activation(trunk.activation),
        build_layer(trunk, encoder.bond_width),
        dropout=trunk.dropout,
        residual=trunk.residual,
    )


@contextmanager
def _drawing_from(seed: int | None) -> Iterator[None]:
    """Draw from a state of its own, and give the CPU's back; no other device is touched."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
