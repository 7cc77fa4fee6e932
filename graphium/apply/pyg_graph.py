"""One ``Data`` of PyTorch Geometric as a SMILES, and where its labels stand in that text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from graphium.config.data import Hydrogens, Level
from graphium.graphs.levels import pair_number
from graphium.molecules.from_graph import ATOM_SIZES, BOND_SIZES, bonds_of, smiles_of_graph

if TYPE_CHECKING:
    from torch_geometric.data import Data


@dataclass(frozen=True, slots=True)
class Written:
    """A molecule of n atoms as text."""

    smiles: str
    atoms: NDArray[np.int64]
    """[n] atom of the ``Data`` at each place of the text."""
    edges: NDArray[np.int64]
    """[b, 2] the two directed edges of each bond of the text; [0, 2] where they are not needed."""
    num_edges: int

    def size(self, level: Level) -> int:
        """Return how many rows the labels of a level have in the ``Data``."""
        n = len(self.atoms)
        return {"graph": 1, "node": n, "edge": self.num_edges, "nodepair": n * (n - 1) // 2}[level]

    def arrange(self, level: Level, labels: NDArray[np.float64]) -> NDArray[np.float64] | str:
        """Return labels in the order of the text, or what is wrong with them."""
        match level:
            case "graph":
                return labels
            case "node":
                return np.asarray(labels[self.atoms])
            case "edge":
                there, back = labels[self.edges[:, 0]], labels[self.edges[:, 1]]
                if not np.array_equal(there, back, equal_nan=True):
                    return "differs between the two directions of a bond"
                return np.asarray(there)
            case "nodepair":
                n = len(self.atoms)
                ends = self.atoms[np.stack(np.triu_indices(n, 1), axis=1)]
                return np.asarray(labels[pair_number(ends, np.full(len(ends), n))])


def write_molecule(
    data: "Data", hydrogens: Hydrogens, *, check: bool, drop_stereo: bool
) -> Written | str:
    """Return a molecule as text, or why that cannot be.

    Args:
        data: The molecule.
        hydrogens: Which hydrogens are atoms of its graph.
        check: Compare graph and SMILES, as labels of atoms and bonds require.
        drop_stereo: Of molecules without ``smiles``, write those with stereo without it.
    """
    smiles = data.smiles if "smiles" in data else None
    if smiles is not None and not isinstance(smiles, str):
        return f"its `smiles` is no text but {type(smiles).__name__}"
    if smiles is not None and not check:
        return Written(smiles, np.arange(int(data.num_nodes)), np.zeros((0, 2), np.int64), 0)
    edges = _edges(data)
    if isinstance(edges, str):
        return edges
    if smiles is None:
        return _from_layout(data, edges, drop_stereo=drop_stereo)
    found = bonds_of(smiles, hydrogens)
    if found is None:
        return f"its SMILES '{smiles}' is no molecule"
    numbers, bonds = found
    if len(numbers) != data.num_nodes or set(map(_sorted, bonds)) != set(edges):
        return (
            f"its graph of {data.num_nodes} atoms and {len(edges)} bonds is not that of '{smiles}' "
            f"({len(numbers)} atoms, {len(bonds)} bonds, in this order, hydrogens: {hydrogens})"
        )
    if any(given not in (numbers, [n - 1 for n in numbers]) for given in _elements(data)):
        return f"its atomic numbers are not those of '{smiles}', in this order"
    return Written(smiles, np.arange(len(numbers)), _pairs(bonds, edges), 2 * len(edges))


def _elements(data: "Data") -> Iterator[list[int]]:
    """Yield the atomic numbers that ``z`` and columns of categories tell; ogb's count from 0."""
    if isinstance(getattr(data, "z", None), Tensor):
        yield data.z.reshape(-1).tolist()
    x = data.x
    if isinstance(x, Tensor) and not x.is_floating_point() and x.dim() == 2 and x.shape[1] >= 9:
        yield x[:, 0].tolist()


def _from_layout(
    data: "Data", edges: dict[tuple[int, int], tuple[int, int]], *, drop_stereo: bool
) -> Written | str:
    atoms, attributes = (
        _categories(data, "x", ATOM_SIZES),
        _categories(data, "edge_attr", BOND_SIZES),
    )
    if atoms is None or attributes is None:
        return (
            "it has no `smiles`, and its `x` and `edge_attr` are not those of PyG's from_smiles "
            f"(integers, {len(ATOM_SIZES)} and {len(BOND_SIZES)} columns): add `smiles`"
        )
    both = np.array(list(edges.values()), np.int64).reshape(-1, 2)
    if not np.array_equal(attributes[both[:, 0]], attributes[both[:, 1]]):
        return "its `edge_attr` differs between the two directions of a bond"
    ends = np.array(list(edges), np.int64).reshape(-1, 2)
    found = smiles_of_graph(atoms, attributes[both[:, 0]], ends, drop_stereo=drop_stereo)
    if isinstance(found, str):
        return f"it has no `smiles`, and {found}: add `smiles`"
    read = bonds_of(found.smiles, "written")
    assert read is not None, "smiles_of_graph has read it"
    bonds = [(int(found.atoms[first]), int(found.atoms[second])) for first, second in read[1]]
    return Written(found.smiles, found.atoms, _pairs(bonds, edges), 2 * len(edges))


def _categories(data: "Data", name: str, sizes: tuple[int, ...]) -> NDArray[np.int64] | None:
    """Return [rows, columns] categories if the attribute has so many of each column."""
    values = getattr(data, name, None)
    if not isinstance(values, Tensor) or values.is_floating_point() or values.dim() != 2:
        return None
    array = np.asarray(values.cpu().numpy(), np.int64)
    if array.shape[1] != len(sizes) or (array < 0).any() or (array >= np.array(sizes)).any():
        return None
    return array


def _edges(data: "Data") -> dict[tuple[int, int], tuple[int, int]] | str:
    """Return bond -> its directed edge from the smaller atom and back."""
    if not isinstance(data.edge_index, Tensor):
        return "it has no `edge_index`"
    place: dict[tuple[int, int], int] = {}
    for number, (source, target) in enumerate(zip(*data.edge_index.tolist(), strict=True)):
        if source == target or (source, target) in place:
            return f"its edge ({source}, {target}) is a loop or stands twice"
        place[source, target] = number
    alone = [pair for pair in place if pair[::-1] not in place]
    if alone:
        return f"its edge {alone[0]} has no edge back"
    return {
        pair: (number, place[pair[::-1]]) for pair, number in place.items() if pair[0] < pair[1]
    }


def _pairs(
    bonds: list[tuple[int, int]], edges: dict[tuple[int, int], tuple[int, int]]
) -> NDArray[np.int64]:
    return np.array([edges[_sorted(pair)] for pair in bonds], np.int64).reshape(-1, 2)


def _sorted(pair: tuple[int, int]) -> tuple[int, int]:
    return min(pair), max(pair)
