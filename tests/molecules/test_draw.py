import re
from xml.etree import ElementTree as ET

import pytest

from graphium.errors import DataError
from graphium.molecules.draw import draw_svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("smiles", ["CC(=O)Oc1ccccc1C(=O)O", "[Na+].[Cl-]", "C", "[2H]C->[Pt]"])
def test_a_drawing_is_one_element_without_references(smiles):
    svg = draw_svg(smiles, width=300, height=150)
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("viewBox") == "0 0 300 150"
    assert root.find(f"{SVG}title").text == smiles
    assert set(re.findall(r"https?://[^\"' ]+", svg)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<script|href|url\(|<!DOCTYPE|<\?xml", svg)


def test_the_background_is_transparent():
    assert "<rect" not in draw_svg("CCO")


def test_highlights_are_drawn():
    plain = draw_svg("CCO")
    assert draw_svg("CCO", atoms=[1]).count("#FF7F7F") > plain.count("#FF7F7F") == 0
    assert "#FF7F7F" in draw_svg("CCO", bonds=[0])


def test_atoms_are_counted_as_the_graph_has_them():
    assert "#FF7F7F" in draw_svg("O", atoms=[2], hydrogens="explicit")


def test_what_is_no_molecule_is_an_error():
    with pytest.raises(DataError, match="nonsense"):
        draw_svg("nonsense")
