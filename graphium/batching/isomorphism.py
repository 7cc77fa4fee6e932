"""Matches the atoms of two writings of one molecule where canonical ranks do not.

Ranks of RDKit agree for molecules with the same canonical SMILES. Keys that join more (tautomers,
stereoisomers, isotopes) need a look at the graphs themselves: colours are refined on both at once
(Weisfeiler and Leman 1968), and where symmetry leaves a choice one pair of atoms is told apart and
the refinement goes on, with backtracking (McKay 1981, without its pruning by automorphisms).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MAX_WORK = 400_000
"""Colours given to atoms of one pair of molecules before it is given up; about a second."""
_MAX_CHOICES = 400
"""Choices that follow from one another, below the interpreter's limit of recursion."""

_Colors = list[int]


@dataclass(frozen=True, slots=True)
class AtomGraph:
    """One molecule."""

    atoms: Sequence[tuple[int, ...]]
    """What each atom is, its element first."""
    ends: Sequence[tuple[int, int]]
    """The atoms that each bond joins."""
    bonds: Sequence[int]
    """What each bond is."""


def match_atoms(row: AtomGraph, target: AtomGraph) -> list[int] | None:
    """Return which atom of ``row`` each atom of ``target`` is, or None where no match is found.

    All that is known of atoms and bonds must agree; where there is no such match, elements and
    neighbors alone must (tautomers differ in hydrogens, charges and bond orders), and atoms that
    are alike are preferred.
    """
    found = _Search(row, target, is_exact=True).run()
    return found or _Search(row, target, is_exact=False).run()


class _Search:
    def __init__(self, row: AtomGraph, target: AtomGraph, *, is_exact: bool) -> None:
        self._graphs = (row, target)
        self._is_exact = is_exact
        self._neighbors = tuple(_neighbors(graph, is_exact) for graph in self._graphs)
        self._left = MAX_WORK

    def run(self) -> list[int] | None:
        names: dict[object, int] = {}
        colors = tuple(
            [names.setdefault(atom if self._is_exact else atom[0], len(names)) for atom in g.atoms]
            for g in self._graphs
        )
        return self._extend(colors[0], colors[1], 0)

    def _extend(self, row: _Colors, target: _Colors, choices: int) -> list[int] | None:
        refined = self._refine(row, target)
        if refined is None or choices > _MAX_CHOICES:
            return None
        row, target = refined
        cells = Counter(row)
        open_cells = [(size, color) for color, size in cells.items() if size > 1]
        if not open_cells:
            place = {color: atom for atom, color in enumerate(row)}
            match = [place[color] for color in target]
            return match if self._is_match(match) else None
        _, color = min(open_cells)
        atom = row.index(color)
        what = self._graphs[0].atoms[atom]
        candidates = [other for other, its in enumerate(target) if its == color]
        candidates.sort(key=lambda other: self._graphs[1].atoms[other] != what)
        fresh = max(row) + 1
        chosen = [*row[:atom], fresh, *row[atom + 1 :]]
        for other in candidates:
            if self._left <= 0:
                return None
            kept = [*target[:other], fresh, *target[other + 1 :]]
            found = self._extend(chosen, kept, choices + 1)
            if found is not None:
                return found
        return None

    def _refine(self, row: _Colors, target: _Colors) -> tuple[_Colors, _Colors] | None:
        """Return colours that equal neighborhoods share, None where the two graphs differ."""
        count = len({*row, *target})
        while self._left > 0 and Counter(row) == Counter(target):
            self._left -= len(row)
            names: dict[object, int] = {}
            new = [
                [
                    names.setdefault(
                        (color, tuple(sorted((colors[n], bond) for n, bond in around))), len(names)
                    )
                    for color, around in zip(colors, neighbors, strict=True)
                ]
                for colors, neighbors in zip((row, target), self._neighbors, strict=True)
            ]
            row, target = new
            if len(names) == count:
                return (row, target) if Counter(row) == Counter(target) else None
            count = len(names)
        return None

    def _is_match(self, match: list[int]) -> bool:
        row, target = self._graphs
        bonds = Counter(_named(row, range(len(row.atoms)), self._is_exact))
        return bonds == Counter(_named(target, match, self._is_exact))


def _neighbors(graph: AtomGraph, is_exact: bool) -> list[list[tuple[int, int]]]:
    out: list[list[tuple[int, int]]] = [[] for _ in graph.atoms]
    for (begin, end), bond in zip(graph.ends, graph.bonds, strict=True):
        out[begin].append((end, bond if is_exact else 0))
        out[end].append((begin, bond if is_exact else 0))
    return out


def _named(graph: AtomGraph, names: Sequence[int], is_exact: bool) -> list[tuple[int, int, int]]:
    """Return the bonds with other names for their atoms."""
    return [
        (min(names[a], names[b]), max(names[a], names[b]), bond if is_exact else 0)
        for (a, b), bond in zip(graph.ends, graph.bonds, strict=True)
    ]
