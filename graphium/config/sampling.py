"""How often an epoch visits the molecules of each dataset."""

from typing import Annotated, Literal

from pydantic import Field

from graphium.config.base import Section

Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class EachSamplingConfig(Section):
    """Every training molecule once in an epoch, whichever datasets it is part of."""

    kind: Literal["each"] = "each"


class FractionsSamplingConfig(Section):
    """So many times the molecules of each dataset; 0.1 takes another tenth in each epoch.

    A molecule of several datasets is visited through each of them.
    """

    kind: Literal["fractions"] = "fractions"
    fractions: dict[str, Share] = Field(min_length=1)
    """By dataset; 1 for those that are not named, 0 leaves one out, 2 visits each twice. One visit
    is the least for a share above 0, here as in the other kinds."""


class WeightsSamplingConfig(Section):
    """Shares of an epoch in these proportions, whatever the sizes of the datasets are."""

    kind: Literal["weights"] = "weights"
    weights: dict[str, Share] = Field(min_length=1)
    """By dataset; all must be named, 0 leaves one out."""
    epoch_molecules: int | None = Field(default=None, gt=0)
    """Visits in one epoch; by default as many as there are training molecules."""


class TemperatureSamplingConfig(Section):
    """Shares in proportion to size ** (1 / temperature): of 1 to size, of a large one all equal."""

    kind: Literal["temperature"] = "temperature"
    temperature: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    """How much small datasets are preferred."""
    epoch_molecules: int | None = Field(default=None, gt=0)
    """Visits in one epoch; by default as many as there are training molecules."""


SamplingConfig = Annotated[
    EachSamplingConfig
    | FractionsSamplingConfig
    | WeightsSamplingConfig
    | TemperatureSamplingConfig,
    Field(discriminator="kind"),
]
