"""One code computes with numpy and with torch: the numbers agree in both precisions."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from plain_encodings import adjacency_of, components_of, molecules_of, real_graphs

from graphium.config.encodings import (
    CommuteConfig,
    ElectrostaticConfig,
    HeatKernelConfig,
    ShortestPathConfig,
    TransitionConfig,
)
from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings import between_levels
from graphium.graphs.encodings.compute import encode
from graphium.graphs.encodings.flat import graph_eigenvalues, pair_encoding

KINDS = ("random_walk", "heat_kernel", "transition", "shortest_path", "commute", "electrostatic")
PRECISIONS = pytest.mark.parametrize(
    ("numpy_type", "torch_type", "close"),
    [(np.float32, torch.float32, 1e-5), (np.float64, torch.float64, 1e-10)],
    ids=["float32", "float64"],
)
GRAPHS = real_graphs()
MOLECULES = molecules_of(GRAPHS)


def chosen(level, **encodings):
    every = {name: {"level": level} for name in KINDS}
    options = {"laplacian": None, **every, **encodings}
    return FeaturesConfig.model_validate({"encodings": options})


def assert_same(tensor, array, close):
    assert isinstance(tensor, torch.Tensor)
    assert isinstance(array, np.ndarray)
    assert tensor.numpy().dtype == array.dtype
    np.testing.assert_allclose(tensor.numpy(), array, rtol=close, atol=close)


@PRECISIONS
@pytest.mark.parametrize("level", ["node", "edge"])
def test_atoms_and_bonds_are_told_the_same(level, numpy_type, torch_type, close):
    arrays = encode(MOLECULES, chosen(level), np.empty(0, numpy_type))
    tensors = encode(MOLECULES, chosen(level), torch.empty(0, dtype=torch_type))

    assert {*arrays.atoms, *arrays.bonds} == set(KINDS)
    for name, array in {**arrays.atoms, **arrays.bonds}.items():
        assert_same({**tensors.atoms, **tensors.bonds}[name], array, close)


@PRECISIONS
@pytest.mark.parametrize("normalization", ["none", "symmetric", "random_walk"])
def test_eigenvalues_and_projectors_are_the_same(normalization, numpy_type, torch_type, close):
    options = dict.fromkeys(KINDS)
    options["laplacian"] = {"k": 64, "normalization": normalization}
    features = chosen("node", **options)

    arrays = encode(MOLECULES, features, np.empty(0, numpy_type)).atoms
    tensors = encode(MOLECULES, features, torch.empty(0, dtype=torch_type)).atoms

    assert_same(tensors["laplacian_values"], arrays["laplacian_values"], close)
    ours = arrays["laplacian_vectors"].astype(np.float64)
    theirs = tensors["laplacian_vectors"].numpy().astype(np.float64)
    first = 0
    for size, bonds in GRAPHS:
        for place in components_of(adjacency_of(size, bonds)):
            atoms = first + place
            spectrum = arrays["laplacian_values"][atoms[0], : len(atoms)]
            starts = [0, *(np.flatnonzero(np.diff(spectrum) > 1e-4) + 1)]
            for low, high in zip(starts, [*starts[1:], len(atoms)], strict=True):
                one, other = ours[atoms, low:high], theirs[atoms, low:high]
                projectors = one @ np.linalg.pinv(one), other @ np.linalg.pinv(other)
                np.testing.assert_allclose(*projectors, atol=100 * close)
        first += size


@PRECISIONS
@pytest.mark.parametrize(
    "config",
    [
        HeatKernelConfig(),
        TransitionConfig(),
        ShortestPathConfig(),
        CommuteConfig(),
        ElectrostaticConfig(),
    ],
    ids=lambda config: type(config).__name__,
)
def test_pairs_of_atoms_are_told_the_same(config, numpy_type, torch_type, close):
    array = pair_encoding(MOLECULES, config, np.empty(0, numpy_type))
    tensor = pair_encoding(MOLECULES, config, torch.empty(0, dtype=torch_type))

    assert_same(tensor, array, close)


@PRECISIONS
def test_whole_molecules_are_told_the_same(numpy_type, torch_type, close):
    array = graph_eigenvalues(MOLECULES, 6, "none", np.empty(0, numpy_type))
    tensor = graph_eigenvalues(MOLECULES, 6, "none", torch.empty(0, dtype=torch_type))

    assert_same(tensor, array, close)


TRANSFERS = [
    name for name in dir(between_levels) if "_to_" in name and "pairs_to_nodes" not in name
]


@PRECISIONS
@pytest.mark.parametrize("name", TRANSFERS)
def test_every_transfer_gives_the_same(name, numpy_type, torch_type, close):
    rows = {
        "node": MOLECULES.total_atoms,
        "edge": MOLECULES.total_bonds,
        "nodepair": int((MOLECULES.num_atoms.astype(int) ** 2).sum()),
        "graph": len(MOLECULES.num_atoms),
    }
    values = np.random.default_rng(0).normal(size=(rows[name.split("_")[0]], 3))
    values = values.astype(numpy_type)
    transfer = getattr(between_levels, name)

    assert_same(
        transfer(torch.from_numpy(values).to(torch_type), MOLECULES),
        transfer(values, MOLECULES),
        close,
    )


def test_there_are_twelve_transfers_between_four_levels():
    assert len(TRANSFERS) == 12


def test_numpy_alone_never_imports_torch():
    code = (
        "import sys, numpy as np\n"
        "from graphium.config.features import FeaturesConfig\n"
        "from graphium.graphs.encodings import between_levels, flat\n"
        "from graphium.graphs.encodings.compute import encode\n"
        "from graphium.graphs.encodings.stacks import split_molecules\n"
        "m = split_molecules(np.array([3]), np.array([2]), np.array([[0, 1], [1, 2]]))\n"
        "encode(m, FeaturesConfig())\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
