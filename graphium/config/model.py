"""The network: encoders, trunk, pooling and heads. Widths in and head sizes are derived."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from graphium.config.base import Section

Activation = Literal["relu", "gelu", "silu"]
Norm = Literal["layer", "batch", "none"]


class EncoderConfig(Section):
    """Features of atoms and bonds, and positional encodings, to channels."""

    width: int = Field(default=64, gt=0)
    """Channels of the hidden layer of each encoder."""
    positional_width: int = Field(default=32, gt=0)
    """Channels that each positional encoding adds to the atom features."""
    bond_width: int = Field(default=32, gt=0)
    """Channels of encoded bonds."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout inside the encoder of atoms."""


class TrunkConfig(Section):
    """Options that every message-passing trunk has."""

    reads_bonds: ClassVar[bool]
    """Whether layers read what is known of bonds."""

    depth: int = Field(default=4, gt=0)
    """Message-passing layers."""
    width: int = Field(default=96, gt=0)
    """Channels of an atom between layers."""
    activation: Activation = "gelu"
    """Non-linearity of the layers."""
    norm: Norm = "layer"
    """Normalisation; ``batch`` couples the molecules of a batch, so that N ranks are not one."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout after each layer."""
    residual: bool = True
    """Add each layer's input to its output."""


class GcnConfig(TrunkConfig):
    """Graph convolutional network (Kipf and Welling 2017); bonds are not read."""

    reads_bonds: ClassVar[bool] = False
    kind: Literal["gcn"] = "gcn"


class GineConfig(TrunkConfig):
    """Graph isomorphism network with bond features (Hu et al. 2020)."""

    reads_bonds: ClassVar[bool] = True
    kind: Literal["gine"] = "gine"
    learn_epsilon: bool = True
    """Train the weight of an atom's own channels; otherwise it stays 1."""


class HeadConfig(Section):
    """The small network of one task."""

    depth: int = Field(default=2, gt=0)
    """Linear layers."""
    width: int = Field(default=64, gt=0)
    """Channels between them."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout between them."""


class ModelConfig(Section):
    """One shared trunk and a head for each task."""

    encoder: EncoderConfig = EncoderConfig()
    """Input encoders."""
    trunk: Annotated[GcnConfig | GineConfig, Field(discriminator="kind")] = GineConfig()
    """The message-passing layers."""
    pooling: list[Literal["sum", "mean", "max"]] = Field(default=["sum"], min_length=1)
    """How atoms become a molecule for graph-level tasks; several are concatenated."""
    head: HeadConfig = HeadConfig()
    """The head of every task..."""
    heads: dict[str, HeadConfig] = {}
    """...except of the tasks named here."""
