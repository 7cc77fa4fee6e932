"""What the network reads of each atom and bond; chosen per experiment, never prepared again."""

from collections.abc import Collection
from typing import Literal

from pydantic import Field, model_validator

from graphium.config.base import Section
from graphium.config.encodings import EncodingsConfig
from graphium.errors import FieldError

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
    # of a single bond, in the conformer that the store keeps
    "conformer-bond-length",
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
    """Bond features, concatenated in this order. ``conformer-bond-length`` needs datasets with
    ``conformers``; it reads 0 where a molecule has no coordinates."""
    encodings: EncodingsConfig = EncodingsConfig()
    """Positional encodings."""

    @property
    def reads_conformers(self) -> bool:
        """Whether anything that the network reads follows from coordinates."""
        return self.encodings.conformer is not None or "conformer-bond-length" in self.bonds

    def with_encodings(self, kinds: Collection[str]) -> "FeaturesConfig":
        """Return the section with these kinds of encodings alone (``EncodingsConfig.kinds``)."""
        off = {kind: None for kind in EncodingsConfig.kinds() if kind not in kinds}
        return self.model_copy(update={"encodings": self.encodings.model_copy(update=off)})

    @model_validator(mode="after")
    def _bonds_have_a_kind(self) -> "FeaturesConfig":
        if self.bonds == ["conformer-bond-length"]:
            raise FieldError(
                ("bonds",), "add a feature that tells kinds of bonds apart, such as bond-type"
            )
        return self
