"""Encodings of one molecule as their definitions say, one atom or pair at a time, in float64."""

from collections import deque

import numpy as np
from hypothesis import strategies as st
from scipy.linalg import expm, pinv

from graphium.config.encodings import (
    CommuteConfig,
    ElectrostaticConfig,
    HeatKernelConfig,
    ShortestPathConfig,
    TransitionConfig,
)
from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.compute import encode
from graphium.graphs.encodings.flat import pair_encoding
from graphium.graphs.encodings.stacks import split_molecules
from graphium.molecules.featurize import featurize_chunk
from graphium.testing.toy import TOY_SMILES

SMILES = (
    *TOY_SMILES, "[Na+].[Cl-]", "[Na+].[Na+].[O-]C(=O)CCC([O-])=O", "C12C3C4C1C5C2C3C45", "[He]",
    "C1CCC2CCCCC2C1.Cl.O", "CC(C)(C)C", "C" * 40, "c1ccc2c(c1)ccc1ccccc12", "C1CC1.C1CC1",
)  # fmt: skip
"""Salts, single atoms, symmetric and long molecules among ordinary ones."""


@st.composite
def random_graphs(draw, most=6):
    """A list of (number of atoms, bonds); some have several components, some a single atom."""
    out = []
    for _ in range(draw(st.integers(1, most))):
        size = draw(st.integers(1, 9))
        pairs = [(i, j) for j in range(size) for i in range(j)]
        out.append((size, draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []))
    return out


def real_graphs(smiles=SMILES):
    block = featurize_chunk(smiles).block
    bonds = np.split(block.bond_ends.astype(int), block.bond_offsets()[1:-1])
    return [
        (int(size), [tuple(bond) for bond in one.tolist()])
        for size, one in zip(block.num_atoms, bonds, strict=True)
    ]


def flat(graphs):
    num_atoms = np.array([size for size, _ in graphs], np.int32)
    num_bonds = np.array([len(bonds) for _, bonds in graphs], np.int32)
    ends = np.array([b for _, bonds in graphs for b in bonds], np.uint16).reshape(-1, 2)
    return num_atoms, num_bonds, ends


def molecules_of(graphs):
    return split_molecules(*flat(graphs))


def adjacency_of(size, bonds):
    adjacency = np.zeros((size, size))
    for i, j in bonds:
        adjacency[i, j] = adjacency[j, i] = 1
    return adjacency


def laplacian_of(adjacency):
    return np.diag(adjacency.sum(1)) - adjacency


def components_of(adjacency):
    return [np.flatnonzero(row) for row in np.unique(path_lengths(adjacency) >= 0, axis=0)]


def path_lengths(adjacency):
    """Breadth-first search from each atom; -1 where it does not come."""
    out = np.full(adjacency.shape, -1.0)
    for start in range(len(adjacency)):
        out[start, start] = 0
        queue = deque([start])
        while queue:
            atom = queue.popleft()
            for other in np.flatnonzero(adjacency[atom]):
                if out[start, other] < 0:
                    out[start, other] = out[start, atom] + 1
                    queue.append(other)
    return out


def transitions(adjacency, steps):
    """[n, n, K]; a walker without bonds stays."""
    degree = adjacency.sum(1)
    step = np.divide(adjacency, degree[:, None], where=degree[:, None] > 0, out=np.eye(len(degree)))
    return np.stack([np.linalg.matrix_power(step, k) for k in range(1, steps + 1)], axis=2)


def heat(adjacency, times):
    """[n, n, T]"""
    return np.stack([expm(-t * laplacian_of(adjacency)) for t in times], axis=2)


def commutes(adjacency):
    out = np.full(adjacency.shape, -1.0)
    for atoms in components_of(adjacency):
        part = adjacency[np.ix_(atoms, atoms)]
        inverse = pinv(laplacian_of(part))
        for a, i in enumerate(atoms):
            for b, j in enumerate(atoms):
                out[i, j] = part.sum() * (inverse[a, a] + inverse[b, b] - 2 * inverse[a, b])
    return out


def potentials(adjacency):
    out = np.zeros(adjacency.shape)
    for atoms in components_of(adjacency):
        inverse = pinv(laplacian_of(adjacency[np.ix_(atoms, atoms)]))
        for a, i in enumerate(atoms):
            for b, j in enumerate(atoms):
                out[i, j] = inverse[a, b] - inverse[a, a]
    return out


def statistics_of(values):
    """[..., n, K] to [..., 4 K]"""
    parts = values.min(-2), values.max(-2), values.mean(-2), values.std(-2)
    return np.concatenate(parts, axis=-1)


STEPS, TIMES, FARTHEST = 5, [0.3, 2.0, 50.0], 4
PAIRS = {
    "heat_kernel": (HeatKernelConfig(times=TIMES), lambda a: heat(a, TIMES)),
    "transition": (TransitionConfig(steps=STEPS), lambda a: transitions(a, STEPS)),
    "shortest_path": (
        ShortestPathConfig(max_distance=FARTHEST),
        lambda a: np.minimum(path_lengths(a), FARTHEST)[:, :, None],
    ),
    "commute": (CommuteConfig(), lambda a: commutes(a)[:, :, None]),
    "electrostatic": (ElectrostaticConfig(), lambda a: potentials(a)[:, :, None]),
}
SYMMETRIC = ("heat_kernel", "shortest_path", "commute")
CLOSE = {"rtol": 2e-5, "atol": 2e-5}


def features_of(level, **encodings):
    off = {"random_walk": None, "laplacian": None}
    on = {name: {**options, "level": level} for name, options in encodings.items()}
    return FeaturesConfig.model_validate({"encodings": {**off, **on}})


def options_of(config):
    return config.model_dump(exclude={"level"})


def assert_pairs_are_plain(name, graphs):
    config, plain = PAIRS[name]
    expected = [plain(adjacency_of(*graph)) for graph in graphs]

    got = pair_encoding(molecules_of(graphs), config)

    assert got.dtype == np.float32
    width = expected[0].shape[2]
    np.testing.assert_allclose(
        got, np.concatenate([e.reshape(-1, width) for e in expected]), **CLOSE
    )


def assert_atoms_are_plain(name, graphs):
    config, plain = PAIRS[name]
    expected = []
    for graph in graphs:
        adjacency = adjacency_of(*graph)
        pairs = plain(adjacency)
        if name == "heat_kernel":  # its own form for atoms
            expected.append(np.stack([np.diagonal(pairs[:, :, k]) for k in range(len(TIMES))], 1))
            continue
        rows = np.zeros((len(pairs), 4 * pairs.shape[2]))
        columns = rows.copy()
        for atoms in components_of(adjacency):
            part = pairs[np.ix_(atoms, atoms)]
            rows[atoms] = statistics_of(part)
            columns[atoms] = statistics_of(part.swapaxes(0, 1))
        expected.append(rows if name in SYMMETRIC else np.concatenate([rows, columns], 1))

    encoded = encode(molecules_of(graphs), features_of("node", **{name: options_of(config)}))

    np.testing.assert_allclose(encoded.atoms[name], np.concatenate(expected), **CLOSE)


def assert_bonds_are_plain(name, graphs):
    config, plain = PAIRS[name]
    expected = []
    for size, bonds in graphs:
        pairs = plain(adjacency_of(size, bonds))
        for i, j in bonds:
            both = [pairs[i, j] + pairs[j, i], abs(pairs[i, j] - pairs[j, i])]
            expected.append(pairs[i, j] if name in SYMMETRIC else np.concatenate(both))

    encoded = encode(molecules_of(graphs), features_of("edge", **{name: options_of(config)}))

    if expected:
        np.testing.assert_allclose(encoded.bonds[name], np.array(expected), **CLOSE)
    else:
        assert len(encoded.bonds[name]) == 0
