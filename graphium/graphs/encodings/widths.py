"""Which encodings an experiment's batches hold, and how many columns each has."""

from collections.abc import Mapping
from typing import assert_never

from graphium.config.encodings import (
    AnyEncoding,
    CommuteConfig,
    ElectrostaticConfig,
    EncodingsConfig,
    HeatKernelConfig,
    LaplacianConfig,
    RandomWalkConfig,
    ShortestPathConfig,
    TransitionConfig,
)
from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.conformer import BOND_LENGTH
from graphium.graphs.encodings.transfer import NUM_STATISTICS


def atom_encoding_widths(encodings: EncodingsConfig) -> Mapping[str, int]:
    """Return the columns K of each of a batch's ``encodings``, in the order they are read."""
    widths = {}
    for name, config in encodings.at("node").items():
        if isinstance(config, LaplacianConfig):
            widths["laplacian_vectors"] = widths["laplacian_values"] = config.k
        else:
            widths[name] = atom_columns(config)
    return widths


def atom_columns(config: AnyEncoding) -> int:
    """Return the columns that an atom has of one encoding."""
    match config:
        case RandomWalkConfig():
            return config.steps
        case LaplacianConfig():
            return 2 * config.k
        case HeatKernelConfig():
            return len(config.times)
        case TransitionConfig():
            return 2 * NUM_STATISTICS * config.steps
        case ShortestPathConfig() | CommuteConfig():
            return NUM_STATISTICS
        case ElectrostaticConfig():
            return 2 * NUM_STATISTICS
        case _:
            assert_never(config)


def bond_encoding_widths(features: FeaturesConfig) -> Mapping[str, int]:
    """Return the columns K of each of a batch's ``bond_encodings``, in the order they are read."""
    widths = {name: bond_columns(config) for name, config in features.encodings.at("edge").items()}
    if "conformer-bond-length" in features.bonds:
        widths[BOND_LENGTH] = 1
    return widths


def bond_columns(config: AnyEncoding) -> int:
    """Return the columns that a bond has of one encoding."""
    match config:
        case RandomWalkConfig() | TransitionConfig():
            return 2 * config.steps
        case LaplacianConfig():
            return 3 * config.k
        case HeatKernelConfig():
            return len(config.times)
        case ShortestPathConfig():
            return 2 * NUM_STATISTICS
        case CommuteConfig():
            return 1
        case ElectrostaticConfig():
            return 2
        case _:
            assert_never(config)
