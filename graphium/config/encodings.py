"""Positional encodings of an experiment; each is a section that may be null."""

from typing import Annotated, Literal

from pydantic import Field

from graphium.config.base import Section

EncodingLevel = Literal["node", "edge"]
Normalization = Literal["none", "symmetric", "random_walk"]


class EncodingConfig(Section):
    """What every encoding has."""

    level: EncodingLevel = "node"
    """Who has it: atoms (``node``) or bonds (``edge``); bonds are read by trunks with bonds."""


class RandomWalkConfig(EncodingConfig):
    """Return probabilities of random walks (Dwivedi et al. 2022)."""

    steps: int = Field(default=16, ge=1, le=64)
    """Probabilities of being back after 1..K steps."""


class LaplacianConfig(EncodingConfig):
    """Lowest eigenvectors and eigenvalues of each component's Laplacian (Dwivedi et al. 2020)."""

    k: int = Field(default=8, ge=1, le=64)
    """Number of eigenpairs."""
    normalization: Normalization = "none"
    """``none``: D - A; ``symmetric``: I - D^-1/2 A D^-1/2; ``random_walk``: I - D^-1 A."""


class HeatKernelConfig(EncodingConfig):
    """How much heat stays at an atom (or crosses a bond) after some times: exp(-t (D - A))."""

    times: list[Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]] = Field(
        default=[0.25, 0.5, 1.0, 2.0, 4.0, 8.0], min_length=1, max_length=64
    )
    """Times t."""


class TransitionConfig(EncodingConfig):
    """Probabilities of random walks from one atom to another."""

    steps: int = Field(default=8, ge=1, le=64)
    """Walks of 1..K steps."""


class ShortestPathConfig(EncodingConfig):
    """Bonds on the shortest path between two atoms."""

    max_distance: int = Field(default=20, ge=1, le=1000)
    """Longer distances count as this one."""


class CommuteConfig(EncodingConfig):
    """Expected steps of a random walk from one atom to another and back."""


class ElectrostaticConfig(EncodingConfig):
    """Potential at one atom of a charge at another, bonds being resistors."""


class ConformerEncodingConfig(Section):
    """How many atoms are how far away in space, whatever bonds there are (always of atoms).

    Datasets must have coordinates: ``conformers: {kind: etkdg}``.
    """

    num_kernels: int = Field(default=16, ge=2, le=256)
    """Gaussians at distances from 0 to the cutoff; each counts the atoms near its distance."""
    cutoff: float = Field(default=8.0, gt=0, le=100, allow_inf_nan=False)
    """Distance in angstrom from which on atoms are not seen."""


AnyEncoding = (
    RandomWalkConfig
    | LaplacianConfig
    | HeatKernelConfig
    | TransitionConfig
    | ShortestPathConfig
    | CommuteConfig
    | ElectrostaticConfig
)


class EncodingsConfig(Section):
    """Positional encodings: what single atoms and bonds are told of their place in the molecule."""

    random_walk: RandomWalkConfig | None = RandomWalkConfig()
    """Return probabilities of random walks; null switches them off, as it does every encoding."""
    laplacian: LaplacianConfig | None = LaplacianConfig()
    """Laplacian eigenvectors and eigenvalues."""
    heat_kernel: HeatKernelConfig | None = None
    """Heat kernel; off, as all that follow. ``heat_kernel={}`` switches it on as it is."""
    transition: TransitionConfig | None = None
    """Transition probabilities of random walks."""
    shortest_path: ShortestPathConfig | None = None
    """Shortest paths."""
    commute: CommuteConfig | None = None
    """Commute times."""
    electrostatic: ElectrostaticConfig | None = None
    """Electrostatic potentials."""
    conformer: ConformerEncodingConfig | None = None
    """Distances in the conformer; computed ahead in any case. A molecule without coordinates has
    zeros."""
    compute: Literal["ahead", "step"] = "ahead"
    """``ahead``: all at once when the data are opened, and kept in memory. ``step``: of each batch,
    on the device that trains, and forgotten; for data that do not fit. The numbers are the same; on
    a GPU (unverified) up to rounding and the basis of eigenvectors of equal eigenvalues."""

    stored: Literal["float32", "float16", "never"] = "float32"
    """Which encodings that ``graphium data add-encoding`` has added to a store are read instead of
    being computed ahead, where kind and parameters are equal: those kept as ``float32``, which are
    the same numbers; also those kept as ``float16``, which are rounded; or none (``never``)."""

    @staticmethod
    def kinds() -> list[str]:
        """Return the names of all encodings that ``at`` knows: those of graphs without coordinates.

        The same graph has the same values, so that a store can keep them.
        """
        others = ("conformer", "compute", "stored")
        return [name for name in EncodingsConfig.model_fields if name not in others]

    def at(self, level: EncodingLevel) -> dict[str, AnyEncoding]:
        """Return the encodings of one level that are on, by name, in the order they are read."""
        every: dict[str, AnyEncoding | None] = {
            "random_walk": self.random_walk,
            "laplacian": self.laplacian,
            "heat_kernel": self.heat_kernel,
            "transition": self.transition,
            "shortest_path": self.shortest_path,
            "commute": self.commute,
            "electrostatic": self.electrostatic,
        }
        return {name: one for name, one in every.items() if one is not None and one.level == level}
