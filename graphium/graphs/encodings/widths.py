"""Which encodings an experiment's batches hold, and how wide they are."""

from collections.abc import Mapping

from graphium.config.features import FeaturesConfig


def bond_encoding_widths(features: FeaturesConfig) -> Mapping[str, int]:
    """Return the columns of each encoding of single bonds, by name, in the order they are read."""
    del features
    return {}
