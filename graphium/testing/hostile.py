"""Rows that have hung, crashed or silently misled programs that read SMILES.

Every row of ``hostile_rows`` must be refused, whoever reads it, and every one of
``demanding_smiles`` be kept: they are large or odd, and molecules all the same.
"""

import random
from collections.abc import Iterable, Sequence

Edge = tuple[int, int]


def hostile_rows() -> dict[str, str | bytes | None]:
    """Return rows by a name that says what is wrong with them."""
    return {**_huge(), **_dense(), **_encoded(), **_misleading(), **_malformed()}


def demanding_smiles() -> dict[str, str]:
    """Return molecules that are slow or unusual and must be read."""
    return {
        "a chain of 1,000 atoms": "C" * 1_000,
        "500 fragments": ".".join(["CO"] * 500),
        "a ring of 900 atoms": f"C1{'C' * 898}C1",
        "a peptide of 200 residues": "N" + "CC(=O)N" * 200 + "C",
        "300 stereo centres": "F" + "[C@](F)(Cl)" * 300 + "Br",
        "a prism of 60 atoms": graph_smiles(_prism(30)),
        "a ladder of 120 rings": graph_smiles(_grid(2, 121)),
        "blanks around it": "  CCO \t",
        "every element of a salt": "[Na+].[Cl-].[K+].[Br-].[Ca+2].[I-].[I-]",
    }


def _huge() -> dict[str, str | bytes | None]:
    return {
        "a chain of 20,000 atoms": "C" * 20_000,
        "a chain of 100,000 atoms": "C" * 100_000,
        "a chain of 1,001 atoms": "C" * 1_001,
        "a ring of 5,000 atoms": f"C1{'C' * 4_998}C1",
        "20,000 fragments": ".".join(["C"] * 20_000),
        "5,000 fragments": ".".join(["C"] * 5_000),
        "50,000 nested branches": "C(" * 50_000 + "C" + ")" * 50_000,
        "4,000 nested branches": "C(" * 4_000 + "C" + ")" * 4_000,
        "100,000 brackets": "[" * 100_000,
        "nested brackets": "[" * 5_000 + "C" + "]" * 5_000,
        "a megabyte": "c1ccccc1" * 131_072,
        "a peptide of 1,000 residues": "N" + "CC(=O)N" * 1_000 + "C",
        "5,000 hydrogens": ".".join(["[H][H]"] * 2_500),
        "3,000 stereo centres": "F" + "[C@](F)(Cl)" * 1_500 + "Br",
        "an isotope of 100,000 digits": f"[{'9' * 100_000}C]",
    }


def _dense() -> dict[str, str | bytes | None]:
    metal = "[U]"  # with any number of bonds: no check of valences ends the work early
    cubes = {f"a hypercube of {1 << d} atoms": _hypercube(d) for d in (7, 8, 9)}
    complete = {f"a complete graph of {n} atoms": _complete(n) for n in (20, 60, 99)}
    return {
        **{name: graph_smiles(edges, metal) for name, edges in (cubes | complete).items()},
        "a grid of 40 x 40 atoms": graph_smiles(_grid(40, 40)),
        "a torus of 20 x 20 atoms": graph_smiles(_torus(20, 20)),
        "a random graph of degree 6": graph_smiles(_random_regular(400, 6), metal),
        "a random graph of degree 4": graph_smiles(_random_regular(300, 4)),
        "a complete graph of 40 carbons": graph_smiles(_complete(40)),
    }


def _encoded() -> dict[str, str | bytes | None]:
    return {
        "a NUL": "CC\x00O",
        "text from right to left": "\u202eCCO",
        "full-width letters": "\uff23\uff23\uff2f",
        "a space of no width": "CC\u200bO",
        "a byte order mark inside": "CC\ufeffO",
        "a combining accent": "CCO\u0301",
        "an accent": "CC\u00e9",
        "an emoji": "C\N{COLLISION SYMBOL}",
        "an emoji at the end": "CCO\N{GRINNING FACE}",
        "a Cyrillic letter": "C\u0421O",
        "a minus sign of typesetters": "CC(=O)[O\u2212]",
        "bytes that are no UTF-8": b"CC\xffO",
        "UTF-16": "CCO".encode("utf-16"),
        "Latin-1": "CC\u00e9".encode("latin-1"),
        "a control character": "CC\x1bO",
        "a vertical tab": "CC\x0bO",
    }


def _misleading() -> dict[str, str | bytes | None]:
    """Return texts that RDKit reads as another molecule than is written."""
    return {
        "a newline": "CC\nO",
        "a carriage return": "CC\rO",
        "a tab": "CC\tO",
        "a space": "CC O",
        "a name": "CCO ethanol",
        "an isotope of four digits": "[1000C]",
        "a charge of 999": "[Na+999]",
        "a billion hydrogens": "[CH999999999]",
        "300 hydrogens": "[CH300]",
        "only blanks": " \t ",
        "nothing": "",
        "a missing cell": None,
    }


def _malformed() -> dict[str, str | bytes | None]:
    texts = (
        "C1CC", "C1CC2", "C11", "C%", "C%1", "C%(12", "C(C", "C)C", "(", "[C", "C]", "[]", "[Xx]",
        "[C@@@H]", "C==C", "CC.", ".", "CC>>CO", "c1cccc1", "C(C)(C)(C)(C)C", "nonsense", "nan",
        "#N/A", "1e5", "InChI=1S/CH4/h1H4", "<script>alert(1)</script>", "=cmd|'/C calc'!A0",
        "../../etc/passwd", "'; DROP TABLE molecules; --", '{"smiles": "C"}',
    )  # fmt: skip
    return {f"'{text}'": text for text in texts}


def graph_smiles(edges: Sequence[Edge], atom: str = "C") -> str:
    """Return a SMILES of a connected graph with the vertices 0, 1, ..."""
    neighbours: dict[int, list[int]] = {}
    for a, b in edges:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    order, children = _walk(neighbours)
    closures: dict[int, list[int]] = {vertex: [] for vertex in order}
    tree = {(parent, child) for parent, several in children.items() for child in several}
    number = 0
    for a, b in edges:
        if (a, b) not in tree and (b, a) not in tree:
            number += 1
            closures[a].append(number)
            closures[b].append(number)
    return _write(order[0], children, closures, atom)


def _walk(neighbours: dict[int, list[int]]) -> tuple[list[int], dict[int, list[int]]]:
    """Return the vertices in depth-first order, and the children of each in that tree."""
    order: list[int] = []
    children: dict[int, list[int]] = {vertex: [] for vertex in neighbours}
    todo: list[tuple[int, int | None]] = [(0, None)]
    seen: set[int] = set()
    while todo:
        vertex, parent = todo.pop()
        if vertex in seen:
            continue
        seen.add(vertex)
        order.append(vertex)
        if parent is not None:
            children[parent].append(vertex)
        todo += [(other, vertex) for other in neighbours[vertex] if other not in seen]
    return order, children


def _write(
    root: int, children: dict[int, list[int]], closures: dict[int, list[int]], atom: str
) -> str:
    pieces: list[str] = []
    todo: list[int | str] = [root]
    while todo:
        step = todo.pop()
        if isinstance(step, str):
            pieces.append(step)
            continue
        pieces.append(atom + "".join(map(_closure, closures[step])))
        todo += children[step][-1:]
        for branch in children[step][:-1]:
            todo += [")", branch, "("]
    return "".join(pieces)


def _closure(number: int) -> str:
    if number < 10:
        return str(number)
    return f"%{number}" if number < 100 else f"%({number})"


def _complete(size: int) -> list[Edge]:
    return [(b, a) for a in range(size) for b in range(a)]


def _hypercube(dimensions: int) -> list[Edge]:
    corners = range(1 << dimensions)
    return [(a, a ^ (1 << k)) for a in corners for k in range(dimensions) if a < a ^ (1 << k)]


def _grid(height: int, width: int) -> list[Edge]:
    across = [(r * width + c, r * width + c + 1) for r in range(height) for c in range(width - 1)]
    down = [(r * width + c, (r + 1) * width + c) for r in range(height - 1) for c in range(width)]
    return across + down


def _torus(height: int, width: int) -> list[Edge]:
    around = [(r * width, r * width + width - 1) for r in range(height)]
    over = [(c, (height - 1) * width + c) for c in range(width)]
    return _grid(height, width) + around + over


def _prism(size: int) -> list[Edge]:
    return [*_grid(2, size), (0, size - 1), (size, 2 * size - 1)]


def _random_regular(size: int, degree: int) -> list[Edge]:
    """Return a connected graph in which nearly every vertex has the same degree."""
    random_ = random.Random(0)  # noqa: S311
    path = [(vertex, vertex + 1) for vertex in range(size - 1)]
    ends = [vertex for vertex in range(size) for _ in range(degree - 2)]
    random_.shuffle(ends)
    pairs = zip(ends[::2], ends[1::2], strict=True)
    return _unique([*path, *((min(pair), max(pair)) for pair in pairs if pair[0] != pair[1])])


def _unique(edges: Iterable[Edge]) -> list[Edge]:
    return list(dict.fromkeys(edges))
