"""Random molecular graphs in double precision, as lists of molecules and as batches."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from graphium.config.features import FeaturesConfig
from graphium.config.model import ModelConfig
from graphium.config.tasks import TaskSpec
from graphium.graphs.encodings.compute import encode
from graphium.graphs.encodings.stacks import split_molecules
from graphium.graphs.encodings.widths import atom_encoding_widths
from graphium.graphs.features import atom_width, bond_width
from graphium.graphs.levels import LIST_LEVELS
from graphium.graphs.mol_batch import MolBatch
from graphium.nn.build import build_network
from graphium.nn.network import Network

FEATURES = FeaturesConfig.model_validate(
    {"encodings": {"random_walk": {"steps": 4}, "laplacian": {"k": 3}}}
)
TASKS = [
    TaskSpec(
        name=f"{level}_task", dataset="d", level=level, labels=["x", "y"], loss="mae", metrics=[]
    )
    for level in ("graph", *LIST_LEVELS)
]


@dataclass(frozen=True)
class Molecule:
    atom_code: Tensor
    bond_ends: Tensor  # [b, 2]
    bond_code: Tensor
    encodings: dict[str, Tensor]


def random_molecule(rng: np.random.Generator, num_atoms: int) -> Molecule:
    """A random tree with up to two rings more, and now and then a bond less (two components)."""
    parents = [rng.integers(0, i) for i in range(1, num_atoms)]
    ends = {(int(parent), i) for i, parent in enumerate(parents, 1)}
    if num_atoms > 3:
        for _ in range(rng.integers(0, 3)):
            u, v = sorted(rng.choice(num_atoms, 2, replace=False).tolist())
            ends.add((u, v))
    bonds = np.array(sorted(ends), np.int64).reshape(-1, 2)
    if len(bonds) and rng.random() < 0.2:
        bonds = bonds[1:]
    counts = np.array([num_atoms]), np.array([len(bonds)])
    encoded = encode(split_molecules(*counts, bonds), FEATURES)
    return Molecule(
        atom_code=torch.from_numpy(rng.integers(0, 12, num_atoms)),
        bond_ends=torch.from_numpy(bonds),
        bond_code=torch.from_numpy(rng.integers(0, 5, len(bonds))),
        encodings={name: torch.from_numpy(x).double() for name, x in encoded.atoms.items()},
    )


def random_molecules(count: int, seed: int = 0, largest: int = 9) -> list[Molecule]:
    rng = np.random.default_rng(seed)
    return [random_molecule(rng, int(rng.integers(1, largest + 1))) for _ in range(count)]


def to_batch(molecules: list[Molecule]) -> MolBatch:
    generator = torch.Generator().manual_seed(0)

    def table(rows: int, width: int) -> Tensor:
        return torch.randn(rows, width, generator=generator, dtype=torch.float64)

    def joined(tensors: list[Tensor], empty: Tensor) -> Tensor:
        return torch.cat([empty, *tensors])

    codes = torch.empty(0, dtype=torch.int64)
    sizes = torch.tensor([len(m.atom_code) for m in molecules], dtype=torch.int64)
    first = sizes.cumsum(0) - sizes
    ends = [m.bond_ends + start for m, start in zip(molecules, first, strict=True)]
    forth = joined(ends, codes.reshape(0, 2)).T
    widths = atom_encoding_widths(FEATURES.encodings)
    return MolBatch(
        atom_table=table(12, atom_width(FEATURES.atoms)),
        atom_code=joined([m.atom_code for m in molecules], codes),
        bond_table=table(5, bond_width(FEATURES.bonds)),
        bond_code=joined([m.bond_code for m in molecules], codes),
        bond_index=torch.cat([forth, forth.flip(0)], dim=1),
        molecule=torch.arange(len(molecules)).repeat_interleave(sizes),
        num_molecules=len(molecules),
        encodings={
            name: joined([m.encodings[name] for m in molecules], table(0, width))
            for name, width in widths.items()
        },
        bond_encodings={},
        keys=torch.arange(len(molecules)),
        labels={},
        label_totals={},
    )


def renumbered(molecule: Molecule, order: Tensor) -> Molecule:
    """Atom i becomes atom order[i]."""

    def moved(rows: Tensor) -> Tensor:
        out = torch.empty_like(rows)
        out[order] = rows
        return out

    return replace(
        molecule,
        atom_code=moved(molecule.atom_code),
        bond_ends=order[molecule.bond_ends],
        encodings={name: moved(rows) for name, rows in molecule.encodings.items()},
    )


def small_network(kind: str = "gine", seed: int = 0, **model: object) -> Network:
    """A small network in double precision and evaluation mode, with a head at each level."""
    trunk = {"kind": kind, "depth": 2, "width": 12, **dict(model.pop("trunk", {}))}
    config = ModelConfig.model_validate({"trunk": trunk, **model})
    return build_network(config, FEATURES, TASKS, seed=seed).double().eval()
