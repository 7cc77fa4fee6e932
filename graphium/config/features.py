"""What the network reads of each atom and bond; chosen per experiment, never prepared again."""

from typing import Literal

from pydantic import Field

from graphium.config.base import Section
from graphium.config.encodings import EncodingsConfig

AtomFeature = Literal[
    # one-hot
    "atomic-number", "group", "period", "degree", "total-valence", "implicit-valence",
    "hybridization", "chirality", "phase", "type", "num-hydrogens", "ring-sizes",
    # one number
    "formal-charge", "radical-electron", "aromatic", "in-ring", "min-ring", "max-ring", "num-ring",
    "mass", "vdw-radius", "covalent-radius", "electronegativity", "first-ionization",
    "melting-point", "metal", "is-carbon", "single-bond", "double-bond", "triple-bond",
    "aromatic-bond", "isotope", "degree-float", "total-valence-float", "implicit-valence-float",
    "atomic-number-float", "group-float", "period-float", "hybridization-float", "chirality-float",
]  # fmt: skip
"""Atom features by name; units and widths in ``graphium/graphs/features.py``."""

BondFeature = Literal[
    "bond-type", "stereo", "in-ring", "conjugated", "estimated-bond-length", "bond-order",
]  # fmt: skip
"""Bond features by name; units and widths in ``graphium/graphs/features.py``."""


DEFAULT_ATOM_FEATURES: list[AtomFeature] = [
    "atomic-number", "group", "period", "total-valence",
    "degree-float", "formal-charge", "radical-electron", "aromatic", "in-ring",
]  # fmt: skip


class FeaturesConfig(Section):
    """Input features of atoms and bonds, and positional encodings."""

    atoms: list[AtomFeature] = Field(default=DEFAULT_ATOM_FEATURES, min_length=1)
    """Atom features, concatenated in this order."""
    bonds: list[BondFeature] = Field(default=["bond-type", "stereo", "in-ring"], min_length=1)
    """Bond features, concatenated in this order."""
    encodings: EncodingsConfig = EncodingsConfig()
    """Positional encodings."""
