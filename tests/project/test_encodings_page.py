"""The page on positional encodings: complete, with the widths of the code, and its example runs."""

import re
from pathlib import Path

import pytest

from graphium.config.data import ConformersConfig
from graphium.config.encodings import EncodingsConfig
from graphium.graphs.encodings.conformer import distance_kernels
from graphium.graphs.encodings.widths import atom_columns, bond_columns
from graphium.molecules.featurize import featurize_chunk

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "encodings.md"
KINDS = [*EncodingsConfig.kinds(), "conformer"]
ROW = re.compile(r"^\| `(\w+)` \|(.*)\|$", re.MULTILINE)


def columns_on_the_page(cell: str, k: int) -> int:
    """ "2 K: sum" is 2 k; "K of v, K of λ" is 2 k; "4: statistics" is 4."""
    terms = re.findall(r"(\d*) ?K(?! of λ)|^(\d+)", cell.split(":")[0])
    extra = k if "K of λ" in cell else 0
    return extra + sum(int(number) if number else int(times or 1) * k for times, number in terms)


def test_every_encoding_has_its_row():
    assert [name for name, _ in ROW.findall(PAGE.read_text())] == KINDS


@pytest.mark.parametrize("name", [name for name in KINDS if name != "conformer"])
def test_the_columns_of_each_encoding_are_those_of_the_code(name):
    cells = dict(ROW.findall(PAGE.read_text()))[name].replace(r"\|", "!").split("|")
    sizes = {
        "random_walk": "steps",
        "transition": "steps",
        "laplacian": "k",
        "heat_kernel": "times",
    }
    options = {sizes[name]: [1.0] * 5 if name == "heat_kernel" else 5} if name in sizes else {}
    config = getattr(EncodingsConfig.model_validate({name: options}), name)

    assert columns_on_the_page(cells[2].strip(), 5) == atom_columns(config)
    assert columns_on_the_page(cells[3].strip(), 5) == bond_columns(config)


def test_distances_in_a_conformer_are_of_atoms_and_have_a_column_for_each_kernel():
    cells = dict(ROW.findall(PAGE.read_text()))["conformer"].split("|")
    assert [cell.strip() for cell in cells[1:4]] == ["atom", "`num_kernels`", "not offered"]
    conformer = EncodingsConfig.model_validate({"conformer": {"num_kernels": 5}}).conformer
    block = featurize_chunk(["CCO"], conformers=ConformersConfig()).block
    assert distance_kernels(block, conformer.num_kernels, conformer.cutoff).shape == (3, 5)


def test_the_example_runs():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    shapes = re.findall(r"# \[(\d+), (\d+)\]", code)
    lines = [line for line in code.splitlines() if re.search(r"# \[\d+, \d+\]", line)]
    names: dict[str, object] = {}
    exec(code, names)

    for line, shape in zip(lines, shapes, strict=True):
        expression = line.split("  #")[0].split(" = ")[-1]
        assert eval(expression, names).shape == tuple(map(int, shape))
